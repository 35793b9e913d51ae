"""The Python API: the stages of the command line as functions that return handles."""

from mnist_exp.api.functions import (
    compare,
    compose,
    deploy,
    register,
    run,
    run_file,
    runs,
    sweep,
    train,
)
from mnist_exp.api.handles import Endpoint, Model, Run, Trial
from mnist_exp.api.tables import Comparison, Runs

__all__ = [
    "Comparison",
    "Endpoint",
    "Model",
    "Run",
    "Runs",
    "Trial",
    "compare",
    "compose",
    "deploy",
    "register",
    "run",
    "run_file",
    "runs",
    "sweep",
    "train",
]
