"""The Python API: the stages of the command line as functions that return handles."""

from mnist_exp.api.functions import compose, deploy, register, run, sweep, train
from mnist_exp.api.handles import Endpoint, Model, Run, Trial

__all__ = [
    "Endpoint",
    "Model",
    "Run",
    "Trial",
    "compose",
    "deploy",
    "register",
    "run",
    "sweep",
    "train",
]
