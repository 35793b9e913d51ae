"""Every error that ends a training run with one line and an exit code.

TrainerError          exit code 1: its text is the line that the user reads
├── DataError         a file is missing, damaged or not what it should be
├── SettingsError     settings that do not fit the data or each other
└── TrackingError     metrics could not be written to the MLflow store
"""

__all__ = ["DataError", "SettingsError", "TrackingError", "TrainerError"]


class TrainerError(Exception):
    """The root of the tree: catch this one to catch them all."""

    exit_code = 1


class DataError(TrainerError):
    """A data file is missing, damaged or not what it should be; names file and fault."""


class SettingsError(TrainerError):
    """Settings that do not fit the data or each other."""


class TrackingError(TrainerError):
    """Metrics could not be written to the MLflow store."""
