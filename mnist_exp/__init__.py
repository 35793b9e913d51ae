"""Azure ML experiments from Hydra config, on one machine or on Azure Machine Learning.

The command `mnist-exp` runs experiments from a shell. The functions of this module run the same
experiments from Python:

    >>> import mnist_exp as mx
    >>> r = mx.train("model=wide", epochs=5)
    >>> r.metrics["validation_acc"]
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mnist_exp.api import (
        Comparison,
        Endpoint,
        Model,
        Run,
        Runs,
        Trial,
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
    from mnist_exp.errors import ConfigError, JobError, MnistExpError

__version__ = "0.1.0"

__all__ = [
    "Comparison",
    "ConfigError",
    "Endpoint",
    "JobError",
    "MnistExpError",
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
_ERRORS = ("ConfigError", "JobError", "MnistExpError")


def __getattr__(name: str) -> Any:
    # Import late: the processes of jobs and endpoints import this package, but not the API.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module("mnist_exp.errors" if name in _ERRORS else "mnist_exp.api"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
