"""Everything that ends a training run early with one line and an exit code.

TrainerError          exit code 1: the user reads its text
├── DataError         a data file is missing, damaged or of another kind
├── SettingsError     settings do not fit the data, the cluster or each other
├── CheckpointError   a checkpoint is damaged, of another run or in another format
├── DivergedError     the loss is not finite any more
├── ClusterError      another worker of the job was lost, or has other settings or data
└── TrackingError     metrics could not be written to the MLflow store

Stopped               exit code 143: SIGTERM asked the run to stop
"""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class TrainerError(Exception):
    """The root of all errors in this module."""

    exit_code = 1


class DataError(TrainerError):
    """A data file is missing, damaged or of another kind; names the file and the fault."""


class SettingsError(TrainerError):
    """Settings do not fit the data, the cluster or each other."""


class CheckpointError(TrainerError):
    """A checkpoint is damaged, of another run or in another format; names file and fault."""


class DivergedError(TrainerError):
    """The loss is not finite any more; names the epoch and the parameters."""


class ClusterError(TrainerError):
    """Another worker of the job was lost, or has other settings or data."""


class TrackingError(TrainerError):
    """Metrics could not be written to the MLflow store."""


class Stopped(BaseException):
    """SIGTERM asked the run to stop. It is not an error: `except Exception` must not catch it."""

    #: 128 + 15, the code that a shell reports for a process that SIGTERM ended.
    exit_code = 143


class StopRequest:
    """A flag that SIGTERM sets. An exception from the signal handler could hit any line."""

    is_set = False

    def receive(self, _signal: int, _frame: FrameType | None) -> None:
        """Set the flag; this is a signal handler."""
        self.is_set = True


@contextmanager
def stoppable() -> Iterator[StopRequest]:
    """Let SIGTERM set a flag instead of ending the process, so that a run can stop in order.

    A cloud service sends SIGTERM before it takes a machine away.
    """
    request = StopRequest()
    previous = signal.signal(signal.SIGTERM, request.receive)
    try:
        yield request
    finally:
        signal.signal(signal.SIGTERM, previous)
