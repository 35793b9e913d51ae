"""The tracker, which writes metrics to MLflow in a separate thread while the main thread trains.

In each job, Azure ML sets environment variables that contain the address of the MLflow store:
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
from digits.metrics import MetricValue

if TYPE_CHECKING:
    from digits.tracked_run import TrackedRun


_LOCAL_STORE = "sqlite:///mlflow.db"
#: Pattern of a user name and a password in an address.
_SECRETS = re.compile(r"//[^/@]*@")
#: Prefix of the environment variables that Azure ML sets in each trial of a sweep.
_SWEEP_VARIABLES = "AZUREML_SWEEP_"
#: Seconds between a failed write and the next try.
_RETRY_SECONDS = 1.0
#: Maximum number of tries to write the last metrics, after training has ended.
_LAST_TRIES = 5
#: Maximum seconds to wait for the last metrics.
_CLOSING_SECONDS = 120.0
#: Maximum seconds to wait for the last metrics after SIGTERM.
_PARTING_SECONDS = 4.0
#: Maximum seconds that a trial of a sweep waits for its first metrics.
_SWEEP_SECONDS = 5.0
_POLL_SECONDS = 0.05
#: Environment variables that limit the seconds and the retries of one request of MLflow. MLflow's
#: defaults are 120 s and 7 retries. Lower limits are enough, because the tracker repeats a failed
#: write.
_PATIENCE = {"MLFLOW_HTTP_REQUEST_TIMEOUT": "20", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2"}

Parameters = Mapping[str, str | int | float]


def tracking_uri() -> str | None:
    """Return the address of the MLflow store.

    Returns:
        The value of the environment variable MLFLOW_TRACKING_URI. If the variable is not set, the
        store is a file in the current folder. The result is None if MLflow is not installed. The
        result is also None if the variable is not set and only mlflow-skinny is installed, because
        mlflow-skinny does not support a store in a file.
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
    """Yield a tracker. After the block, close the tracker with the status of the block.

    Args:
        uri: The address of the MLflow store; None if nothing is logged.
        parameters: The parameters of the run.
        earlier: The id of the MLflow run that an earlier process of this training run has created;
            None if no id is known. If this MLflow run is in the store, it is resumed.
        on_open: A function that is called with the id of a new MLflow run, in the tracker's thread.
        is_over: A function that returns whether SIGTERM was received.

    Raises:
        Stopped: The block succeeded, but SIGTERM was received before all metrics were written.
        TrackingError: The block succeeded, but metrics could not be written. If the block itself
            failed, this error is only printed, and the error of the block is raised.
    """
    tracker = Tracker(uri, parameters, earlier, on_open)
    try:
        yield tracker
    except BaseException as fault:
        try:
            if isinstance(fault, Exception):
                tracker.close("FAILED", _CLOSING_SECONDS, is_over)
            elif tracker.is_needed:
                # The process will be killed shortly. Metrics that are not written now are written
                # when the run resumes.
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
    """A background thread that logs to one MLflow run.

    Training waits for the tracker only in `close`, and in a trial of a sweep also in `wait_once`.

    The thread imports MLflow. Create the tracker after the imports that the training needs, because
    imports in two threads delay each other. The thread repeats a write that fails. After `close`
    was called, the thread gives up after `_LAST_TRIES` failed tries.

    Args:
        uri: The address of the MLflow store; None if nothing is logged.
        parameters: The parameters of the run, which are logged before the metrics. Parameters
            that the run already has are not changed.
        earlier: The id of the MLflow run that an earlier process of this training run has created;
            None if no id is known.
        on_open: A function that is called with the id of a new MLflow run, in the tracker's thread.

    Attributes:
        run_id: The id of the MLflow run; None until the id is known.
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
        self._queue: queue.SimpleQueue[MetricValue | None] = queue.SimpleQueue()
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
        """Whether the tracker has opened an MLflow run or has received a metric."""
        return self._has_logged or self._is_open

    def log(self, metrics: Mapping[str, float], step: int) -> None:
        """Queue the metrics, and return without waiting for the store."""
        self._has_logged = True
        now = int(time.time() * 1000)
        for key, value in metrics.items():
            self._queue.put(MetricValue(key, value, step, now))

    def wait_once(self, is_over: Callable[[], bool]) -> None:
        """In a trial of a sweep, wait until the first metrics are in the store.

        A sweep can cut a trial only if the sweep gets the trial's metrics while the trial runs. But
        the first epochs of a small run may end before MLflow is imported. Therefore the first call
        waits, but at most `_SWEEP_SECONDS`, and only until a write fails. After the first metrics,
        the metrics of each epoch are written immediately, and later calls do not wait. A store that
        does not answer therefore delays only one epoch.

        Args:
            is_over: A function that returns whether SIGTERM was received. If so, do not wait.
        """
        deadline = time.monotonic() + _SWEEP_SECONDS
        while self._is_to_wait and not is_over() and time.monotonic() < deadline:
            self._is_to_wait = not self._written_once.wait(_POLL_SECONDS)
        self._is_to_wait = False

    def close(
        self, status: str, patience_s: float, is_over: Callable[[], bool] = lambda: False
    ) -> None:
        """Wait until all metrics are written, and end the MLflow run.

        Args:
            status: MLflow's status for the run: FINISHED, FAILED or KILLED. If MLFLOW_RUN_ID is
                set, this status is ignored, because the program that has set this variable also
                sets the status.
            patience_s: Maximum number of seconds to wait.
            is_over: A function that returns whether SIGTERM was received. After SIGTERM, the wait
                lasts at most `_PARTING_SECONDS` longer.

        Raises:
            TrackingError: The store does not answer, or the last metrics could not be written.
        """
        if not self._uri:
            return
        self._status = status
        self._queue.put(None)
        deadline = time.monotonic() + patience_s
        while self._thread.is_alive() and time.monotonic() < deadline:
            self._thread.join(_POLL_SECONDS)
            if is_over():
                deadline = min(deadline, time.monotonic() + _PARTING_SECONDS)
                is_over = _never
        if self._thread.is_alive():
            where = _without_secrets(self._uri)
            raise TrackingError(
                f"the MLflow store {where} does not answer: the last metrics may be missing"
            )
        if self._fault:
            raise TrackingError(
                f"{self._unwritten} metrics could not be written to the MLflow store"
                f" {_without_secrets(self._uri)}: {_first_line(self._fault)}"
            )

    def _work(self, uri: str, parameters: Parameters) -> None:
        pending: list[MetricValue] = []
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
            except Exception as fault:  # clients of MLflow stores raise exceptions of any class
                if self._fault is None and open_end:
                    where = f"the MLflow store {_without_secrets(uri)}"
                    why = f"metrics cannot be written to {where}: {_first_line(fault)}"
                    print(f"warning: {why}; trying again", file=sys.stderr)
                self._fault = fault
                # End the wait in `wait_once`: training must not wait for a store that fails.
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
            # If MLFLOW_RUN_ID is set, a restarted process gets the same id from this variable. In
            # this case, the id does not have to be saved.
            if run.is_own:
                self._on_open(run.run_id)
        return run

    def _collect(self, pending: list[MetricValue], *, wait: bool) -> bool:
        """Move the queued values to `pending`. Return False after a call of `close`."""
        while True:
            try:
                value = self._queue.get(block=wait)
            except queue.Empty:
                return True
            if value is None:
                return False
            pending.append(value)
            wait = False


def _never() -> bool:
    return False


def _is_swept(variable: str) -> bool:
    return variable.startswith(_SWEEP_VARIABLES)


def _first_line(fault: Exception) -> str:
    # SQLAlchemy's messages contain SQL after the first line.
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
        # MLflow imports pandas for its data sets, which the trainer does not use. pandas takes a
        # third of the import time.
        needless = ("pandas",)
    # This import takes more than a second. It runs in the tracker's thread, while the main thread
    # trains.
    with absent(*needless):
        from digits.tracked_run import TrackedRun  # noqa: PLC0415

    return TrackedRun.open(uri, earlier)


def _hide_plugin() -> None:
    # If MLflow's plugin for Azure ML is installed, MLflow always imports this plugin and half of
    # Azure's SDK.
    # None in sys.modules makes an import raise ModuleNotFoundError:
    # https://docs.python.org/3/reference/import.html#the-module-cache
    sys.modules.setdefault("azureml.mlflow", None)  # type: ignore[arg-type]
    warnings.filterwarnings("ignore", "Failure attempting to register", UserWarning)
