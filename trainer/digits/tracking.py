"""Metrics on their way to MLflow: a separate thread writes them, so training does not wait.

The environment names the store, as Azure ML sets it inside a job:
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
from dataclasses import dataclass
from typing import TYPE_CHECKING

from digits.errors import Stopped, TrackingError
from digits.lean import absent

if TYPE_CHECKING:
    from digits.tracked_run import TrackedRun


_LOCAL_STORE = "sqlite:///mlflow.db"
#: User names and passwords in addresses.
_SECRETS = re.compile(r"//[^/@]*@")
#: Prefix of the variables that Azure ML gives a trial of a sweep.
_SWEEP_VARIABLES = "AZUREML_SWEEP_"
_RETRY_SECONDS = 1.0
_LAST_TRIES = 5
_CLOSING_SECONDS = 120.0
_PARTING_SECONDS = 4.0
_SWEEP_SECONDS = 5.0
_LOOK_SECONDS = 0.05
#: MLflow's own limits for a call are 120 s and 7 retries. The tracker retries calls itself.
_PATIENCE = {"MLFLOW_HTTP_REQUEST_TIMEOUT": "20", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2"}

Parameters = Mapping[str, str | int | float]


@dataclass(frozen=True)
class Record:
    """One value of one metric.

    Attributes:
        key: The metric's name.
        value: The measured value.
        step: The epoch, from 1.
        timestamp: Milliseconds since 1970.
    """

    key: str
    value: float
    step: int
    timestamp: int


def tracking_uri() -> str | None:
    """Return the MLflow store: MLFLOW_TRACKING_URI, or a file in the current folder.

    Returns:
        None without MLflow, and with mlflow-skinny alone, which has no local store.
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
    """Yield a tracker, and close it with the status that fits the end of the block.

    Args:
        uri: The MLflow store; None logs nothing.
        parameters: The run's parameters.
        earlier: The MLflow run of an earlier attempt; it is resumed if the store has it.
        on_open: Called with the id of a new MLflow run, in the tracker's thread.
        is_over: Whether the process was asked to stop while the last metrics are written.

    Raises:
        Stopped: The block succeeded, and SIGTERM came before its metrics were written.
        TrackingError: The block succeeded, and its metrics could not be written. If the block
            failed, this error is printed, and the block's own error is raised.
    """
    tracker = Tracker(uri, parameters, earlier, on_open)
    try:
        yield tracker
    except BaseException as fault:
        try:
            if isinstance(fault, Exception):
                tracker.close("FAILED", _CLOSING_SECONDS, is_over)
            elif tracker.is_needed:
                # The process will be killed shortly. Metrics not written now are written when the
                # run resumes.
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

    Training waits for the tracker in `close`, and a trial of a sweep waits in `wait_once` too.

    MLflow itself is imported in the background, so create a tracker after the imports that the
    training needs. A write that fails is retried; `close` gives up after some retries.

    Args:
        uri: The MLflow store; None logs nothing.
        parameters: Logged first; parameters that the run has already are not changed.
        earlier: The MLflow run of an earlier attempt.
        on_open: Called with the id of a new MLflow run, in the tracker's thread.

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
        self._is_to_wait = bool(uri) and any(map(_is_swept, os.environ))
        self._thread = threading.Thread(
            target=self._work, args=(uri, parameters), name="mlflow", daemon=True
        )
        if uri:
            self._thread.start()

    @property
    def is_needed(self) -> bool:
        """Whether there is an MLflow run to end, or a metric to write."""
        return self._has_logged or self._is_open

    def log(self, metrics: Mapping[str, float], step: int) -> None:
        """Queue metrics and return at once."""
        self._has_logged = True
        now = int(time.time() * 1000)
        for key, value in metrics.items():
            self._queue.put(Record(key, value, step, now))

    def wait_once(self, is_over: Callable[[], bool]) -> None:
        """In a trial of a sweep, wait a few seconds until the first metrics are in the store.

        The first epoch of a small run ends while MLflow is still imported. A sweep can cut a trial
        only if it sees the trial's metrics while the trial runs. After the first metrics, each
        epoch is written as it comes. A store that does not answer delays one epoch, not each.

        Args:
            is_over: Ends the wait.
        """
        deadline = time.monotonic() + _SWEEP_SECONDS
        while self._is_to_wait and not is_over() and time.monotonic() < deadline:
            self._is_to_wait = not self._written_once.wait(_LOOK_SECONDS)
        self._is_to_wait = False

    def close(
        self, status: str, patience_s: float, is_over: Callable[[], bool] = lambda: False
    ) -> None:
        """Wait until everything is written.

        Args:
            status: MLflow's status of the run: FINISHED, FAILED or KILLED. A run that
                MLFLOW_RUN_ID names keeps its status: its job sets it.
            patience_s: Seconds to wait at most.
            is_over: Shortens the wait to seconds.

        Raises:
            TrackingError: Something could not be written after several tries.
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
            where = _without_secrets(self._uri)
            raise TrackingError(f"{where} does not answer: the last metrics may be missing")
        if self._fault:
            raise TrackingError(
                f"{self._unwritten} metrics could not be written to"
                f" {_without_secrets(self._uri)}: {_first_line(self._fault)}"
            )

    def _work(self, uri: str, parameters: Parameters) -> None:
        pending: list[Record] = []
        run: TrackedRun | None = None
        open_end, tries_left = True, _LAST_TRIES
        while tries_left:
            if open_end:
                open_end = self._collect(pending, wait=run is not None and self._fault is None)
            try:
                run = run or self._opened(uri)
                run.begin(parameters)
                run.write(pending)
                if pending:
                    self._written_once.set()
                pending.clear()
                if not open_end:
                    run.finish(self._status)
                self._fault = None
            except Exception as fault:  # clients of stores raise any exception
                if self._fault is None and open_end:
                    why = f"{_without_secrets(uri)} does not take metrics: {_first_line(fault)}"
                    print(f"warning: {why}; retrying", file=sys.stderr)
                self._fault = fault
                # Training need not wait for a store that fails.
                self._written_once.set()
                self._unwritten = len(pending)
                tries_left -= not open_end
                time.sleep(_RETRY_SECONDS)
            else:
                if not open_end:
                    return

    def _opened(self, uri: str) -> "TrackedRun":
        run = _open(uri, self.run_id)
        self._is_open = True
        if self.run_id != run.run_id:
            self.run_id = run.run_id
            # A run that MLFLOW_RUN_ID names is named again when the process is restarted.
            if run.is_own:
                self._on_open(run.run_id)
        return run

    def _collect(self, pending: list[Record], *, wait: bool) -> bool:
        """Move the queued records to `pending`; return False once `close` was called."""
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
    # After the first line, SQLAlchemy's messages contain SQL.
    return _without_secrets(str(fault).strip().partition("\n")[0])[:300]


def _without_secrets(text: str) -> str:
    return _SECRETS.sub("//", text)


def _open(uri: str, earlier: str | None) -> "TrackedRun":
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    for name, value in _PATIENCE.items():
        os.environ.setdefault(name, value)
    needless: tuple[str, ...] = ()
    if not uri.startswith("azureml"):
        _hide_plugin()
        # MLflow imports pandas for data sets, which the trainer does not use. Importing pandas
        # takes a third of the time.
        needless = ("pandas",)
    # The import takes more than a second. Here it runs beside the training.
    with absent(*needless):
        from digits.tracked_run import TrackedRun  # noqa: PLC0415

    return TrackedRun.open(uri, earlier)


def _hide_plugin() -> None:
    # MLflow imports its plugin for Azure ML wherever it is installed, and with it half of Azure's
    # SDK. None in sys.modules makes an import raise ModuleNotFoundError:
    # https://docs.python.org/3/reference/import.html#the-module-cache
    sys.modules.setdefault("azureml.mlflow", None)  # type: ignore[arg-type]
    warnings.filterwarnings("ignore", "Failure attempting to register", UserWarning)
