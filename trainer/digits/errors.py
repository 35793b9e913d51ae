"""The exceptions that end a training run early. `train.py` prints their text as one line.

TrainerError          the run failed; exit code 1
├── DataError         a data file is missing or damaged, or is not a file of digits
├── SettingsError     settings are not valid for the data or the machine
├── CheckpointError   no checkpoint can be used, or the settings do not fit a checkpoint
├── DivergedError     the loss or a logit has become infinite or NaN
├── ClusterError      the workers of the job cannot train together
└── TrackingError     metrics could not be written to the MLflow store

Stopped               SIGTERM asked the run to stop; exit code 143
"""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class TrainerError(Exception):
    """The base class of all errors in this module."""

    exit_code = 1


class DataError(TrainerError):
    """A data file is missing or damaged, or is not a file of digits.

    The message contains the path and the fault.
    """


class SettingsError(TrainerError):
    """Settings are not valid for the data or the machine.

    For example, the batch is larger than the training part, TF_CONFIG is not valid, or a folder
    cannot be written.
    """


class CheckpointError(TrainerError):
    """No checkpoint can be used, or the settings do not fit a checkpoint.

    For example, a checkpoint is damaged, belongs to another run or has an unknown format. The
    message contains the path and the fault.
    """


class DivergedError(TrainerError):
    """The loss or a logit has become infinite or NaN.

    The message contains the epoch and the parameters of the run.
    """


class ClusterError(TrainerError):
    """The workers of the job cannot train together.

    For example, a worker was lost, has different settings or data, or cannot listen at its address.
    """


class TrackingError(TrainerError):
    """Metrics could not be written to the MLflow store."""


class Stopped(BaseException):
    """SIGTERM asked the run to stop.

    This class is a BaseException, because `except Exception` must not catch this exception.
    """

    #: A shell reports the code 128 + 15 for a process that SIGTERM (signal 15) ended.
    exit_code = 143


class StopRequest:
    """A flag that SIGTERM sets.

    The training loop checks the flag at points where the run can stop safely. If the signal handler
    raised an exception instead, the exception could interrupt the code at any line.
    """

    is_set = False

    def receive(self, _signal: int, _frame: FrameType | None) -> None:
        """Set the flag; this is a signal handler."""
        self.is_set = True


@contextmanager
def stoppable() -> Iterator[StopRequest]:
    """Make SIGTERM set a flag inside the block. Restore the earlier handler after the block.

    With the flag, a run can save a checkpoint before it stops. For example, a cloud service sends
    SIGTERM to the run before the service takes the machine away.
    """
    request = StopRequest()
    previous = signal.signal(signal.SIGTERM, request.receive)
    try:
        yield request
    finally:
        signal.signal(signal.SIGTERM, previous)
