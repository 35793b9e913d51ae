"""Metrics to MLflow, written by a thread of their own so that training does not wait for them.

Where they go is told by the environment, as Azure ML sets it inside a job:
https://learn.microsoft.com/azure/machine-learning/how-to-use-mlflow-configure-tracking
"""

import importlib.util
import os
import queue
import re
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from digits.errors import Stopped, TrackingError
from digits.lean import absent
from digits.records import Record

if TYPE_CHECKING:
    from digits.tracked_run import TrackedRun


_LOCAL_STORE = "sqlite:///mlflow.db"
_SECRETS = re.compile(r"//[^/@]*@")
# Azure ML tells a trial of its drawn values by them.
_SWEEP_VARIABLES = "AZUREML_SWEEP_"
_RETRY_SECONDS = 1.0
_LAST_TRIES = 5
_CLOSING_SECONDS = 120.0
_PARTING_SECONDS = 4.0
_SWEEP_SECONDS = 5.0
_LOOK_SECONDS = 0.05
# Less patient than MLflow is by itself, with 120 s and 7 retries to a call: we try again anyway.
_PATIENCE = {"MLFLOW_HTTP_REQUEST_TIMEOUT": "20", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2"}

Parameters = Mapping[str, str | int | float]


def tracking_uri() -> str | None:
    """Where metrics go: what MLFLOW_TRACKING_URI says, or a file in the current folder.

    Returns:
        None where there is no MLflow, or only mlflow-skinny, which knows no local store.
    """
    if importlib.util.find_spec("mlflow") is None:
        return None
    if uri := os.environ.get("MLFLOW_TRACKING_URI"):
        return uri
    complete = all(importlib.util.find_spec(name) for name in ("sqlalchemy", "alembic"))
    return _LOCAL_STORE if complete else None


@contextmanager
def tracked(
    uri: str | None,
    parameters: Parameters,
    earlier: str | None = None,
    on_open: Callable[[str], None] | None = None,
    is_over: Callable[[], bool] = lambda: False,
) -> Iterator["Tracker"]:
    """Lends a tracker and closes it with the status that fits how the block ended.

    Args:
        uri: The MLflow store; None logs nothing.
        parameters: What the run was asked for.
        earlier: The MLflow run of an earlier attempt, which is gone on with if the store has it.
        on_open: Told of another run's id, by the thread that has opened it.
        is_over: Whether the process is to end, while the last metrics are written.

    Raises:
        Stopped: The block went well, and SIGTERM came before its metrics were written.
        TrackingError: The block went well and its metrics could not be written. Where the block
            itself failed, that is said on stderr, and the block's own error goes on.
    """
    tracker = Tracker(uri, parameters, earlier, on_open)
    try:
        yield tracker
    except BaseException as fault:
        try:
            if isinstance(fault, Exception):
                tracker.close("FAILED", _CLOSING_SECONDS, is_over)
            elif tracker.is_needed:
                # Whoever stops us kills us soon; what is not written is when the run goes on.
                tracker.close("KILLED", _PARTING_SECONDS)
        except TrackingError as error:
            print(f"warning: {error}", file=sys.stderr)
        raise
    try:
        tracker.close("FINISHED", _CLOSING_SECONDS, is_over)
    except TrackingError as error:
        if is_over():
            raise Stopped(f"stopped by SIGTERM after the last epoch: {error}") from error
        raise


class Tracker:
    """Logs to one MLflow run, in the background.

    Training waits for it at `close`, and a trial of a sweep once before (see `wait_once`).

    MLflow itself is imported in the background too, so start this after the imports that the
    training needs. A store that fails is tried again; nothing is dropped before `close`.

    Args:
        uri: The MLflow store; None logs nothing.
        parameters: Logged first; those that the run has already are left as they are.
        earlier: The MLflow run of an earlier attempt.
        on_open: Told of another run's id, by the thread that has opened it.

    Attributes:
        run_id: The MLflow run, as soon as it is known.
    """

    def __init__(
        self,
        uri: str | None,
        parameters: Parameters,
        earlier: str | None = None,
        on_open: Callable[[str], None] | None = None,
    ) -> None:
        self.run_id = earlier
        self._on_open = on_open or (lambda _: None)
        self._uri = uri
        self._queue: queue.SimpleQueue[Record | None] = queue.SimpleQueue()
        self._fault: Exception | None = None
        self._unwritten = 0
        self._status = "FAILED"
        self._has_logged = self._is_open = False
        self._written_once = threading.Event()
        # Where this is a trial of a sweep.
        self._has_to_wait = bool(uri) and any(map(_is_swept, os.environ))
        self._thread = threading.Thread(
            target=self._work, args=(uri, parameters), name="mlflow", daemon=True
        )
        if uri:
            self._thread.start()

    @property
    def is_needed(self) -> bool:
        """Whether the store has a run of ours, or is to get something to know."""
        return self._has_logged or self._is_open

    def log(self, metrics: Mapping[str, float], step: int) -> None:
        """Hands metrics over and returns at once."""
        self._has_logged = True
        now = int(time.time() * 1000)
        for key, value in metrics.items():
            self._queue.put(Record(key, value, step, now))

    def wait_once(self, is_over: Callable[[], bool]) -> None:
        """Where this is a trial of a sweep, gives the first metrics a moment to be in the store.

        MLflow is still being imported when the first epoch of a small run is done. A sweep can
        only end a trial early if it sees what the trial logs while it runs; from here on each
        epoch is written as it comes. A store that does not answer holds up one epoch, not each.

        Args:
            is_over: Ends the wait.
        """
        deadline = time.monotonic() + _SWEEP_SECONDS
        while self._has_to_wait and not is_over() and time.monotonic() < deadline:
            self._has_to_wait = not self._written_once.wait(_LOOK_SECONDS)
        self._has_to_wait = False

    def close(
        self, status: str, patience_s: float, is_over: Callable[[], bool] = lambda: False
    ) -> None:
        """Waits until everything is written.

        Args:
            status: MLflow's word for how the run ended (FINISHED, FAILED, KILLED); it is written
                only where the run is this process's own, not one given by MLFLOW_RUN_ID.
            patience_s: How long to wait at most.
            is_over: Once it says so, the wait is over in seconds.

        Raises:
            TrackingError: Something could not be written, in spite of several tries.
        """
        if not self._uri:
            return
        self._status = status
        self._queue.put(None)
        deadline = time.monotonic() + patience_s
        while self._thread.is_alive() and time.monotonic() < deadline:
            self._thread.join(_LOOK_SECONDS)
            if is_over():
                deadline = min(deadline, time.monotonic() + _PARTING_SECONDS)
                is_over = _never
        if self._thread.is_alive():
            where = _shown(self._uri)
            raise TrackingError(f"{where} does not answer: the last metrics may be missing")
        if self._fault:
            raise TrackingError(
                f"{self._unwritten} metrics could not be written to {_shown(self._uri)}:"
                f" {_first_line(self._fault)}"
            )

    def _work(self, uri: str, parameters: Parameters) -> None:
        pending: list[Record] = []
        run: TrackedRun | None = None
        open_end, tries_left = True, _LAST_TRIES
        while tries_left:
            if open_end:
                open_end = self._collect(pending, wait=run is not None and self._fault is None)
            try:
                run = run or _open(uri, self.run_id)
                self._is_open = True
                if self.run_id != run.run_id:
                    self.run_id = run.run_id
                    # One that was given is given again.
                    if run.is_own:
                        self._on_open(run.run_id)
                run.begin(parameters)
                run.write(pending)
                if pending:
                    self._written_once.set()
                pending.clear()
                if not open_end:
                    run.finish(self._status)
                self._fault = None
            except Exception as fault:  # whatever a store's client may raise
                if self._fault is None and open_end:
                    why = f"{_shown(uri)} does not take metrics: {_first_line(fault)}"
                    print(f"warning: {why}; it is tried again", file=sys.stderr)
                self._fault = fault
                # Nobody needs to wait for this.
                self._written_once.set()
                self._unwritten = len(pending)
                tries_left -= not open_end
                time.sleep(_RETRY_SECONDS)
            else:
                if not open_end:
                    return

    def _collect(self, pending: list[Record], *, wait: bool) -> bool:
        """Moves what waits in the queue to `pending`; False when the end has come."""
        while True:
            try:
                record = self._queue.get(block=wait)
            except queue.Empty:
                return True
            if record is None:
                return False
            pending.append(record)
            wait = False


def _never() -> bool:
    return False


def _is_swept(variable: str) -> bool:
    return variable.startswith(_SWEEP_VARIABLES)


def _first_line(fault: Exception) -> str:
    # What follows the first line is SQL.
    return _shown(str(fault).strip().partition("\n")[0])[:300]


def _shown(text: str) -> str:
    """The text without names and passwords that are part of addresses."""
    return _SECRETS.sub("//", text)


def _open(uri: str, earlier: str | None) -> "TrackedRun":
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    for name, value in _PATIENCE.items():
        os.environ.setdefault(name, value)
    needless: tuple[str, ...] = ()
    if not uri.startswith("azureml"):
        _hide_plugin()
        # A third of MLflow's import goes to data sets made of pandas' tables: there are none here.
        needless = ("pandas",)
    # Here and not above: MLflow takes more than a second to import, beside the training.
    with absent(*needless):
        from digits.tracked_run import TrackedRun  # noqa: PLC0415

    return TrackedRun.open(uri, earlier)


def _hide_plugin() -> None:
    # MLflow loads its plugin for Azure ML wherever that is installed, and half of Azure's SDK with
    # it. None in sys.modules makes an import raise ModuleNotFoundError:
    # https://docs.python.org/3/reference/import.html#the-module-cache
    sys.modules.setdefault("azureml.mlflow", None)  # type: ignore[arg-type]
    warnings.filterwarnings("ignore", "Failure attempting to register", UserWarning)
