"""Every error that ends a training run with one line and an exit code.

TrainerError          exit code 1: its text is the line that the user reads
├── DataError         a file is missing, damaged or not what it should be
├── SettingsError     settings that do not fit the data, the cluster or each other
├── CheckpointError   a checkpoint is damaged, another run's or in another format
├── DivergedError     the loss is no number any more
├── ClusterError      another worker of the job was lost, or does not do the same work
└── TrackingError     metrics could not be written to the MLflow store

Stopped               exit code 143: SIGTERM asked the run to end
"""


class TrainerError(Exception):
    """The root of the tree: catch this one to catch them all."""

    exit_code = 1


class DataError(TrainerError):
    """A data file is missing, damaged or not what it should be; names file and fault."""


class SettingsError(TrainerError):
    """Settings that do not fit the data, the cluster or each other."""


class CheckpointError(TrainerError):
    """A checkpoint is damaged, another run's or in another format; names file and fault."""


class DivergedError(TrainerError):
    """The loss is no number any more; names the epoch and the parameters."""


class ClusterError(TrainerError):
    """Another worker of the job was lost, or was started to do something else."""


class TrackingError(TrainerError):
    """Metrics could not be written to the MLflow store."""


class Stopped(BaseException):
    """SIGTERM asked the run to end; not an error, so nothing that catches errors catches it."""

    # 128 + 15, as a shell reports a process that SIGTERM ended.
    exit_code = 143
