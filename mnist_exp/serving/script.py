"""Load the user's scoring script in the same way as Azure ML's inference server.

https://learn.microsoft.com/azure/machine-learning/how-to-inference-server-http
"""

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

from mnist_exp.serving.azure_modules import missing_fault, provide_modules
from mnist_exp.serving.flask_request import import_flask
from mnist_exp.serving.run_function import RunFunction, inspect_run
from mnist_exp.serving.worker_logging import configure_logging

#: Name of the script's module in Azure ML's server.
_MODULE_NAME = "entry_module"


class ScoringScript:
    """The user's scoring script: a module with the functions `init` and `run`.

    The module `run_function` lists the supported definitions of `run`.

    Args:
        code: The deployment's code folder. The script can import modules in this folder.
        name: The script's path relative to `code`.
        has_schema: Whether `run` takes the values of a JSON object, as with `@input_schema`. If
            False, the decorators of `run` decide.
    """

    def __init__(self, code: Path, name: str, *, has_schema: bool = False) -> None:
        self.name = name
        self._has_schema = has_schema
        self._code = code
        self._path = code / name
        self._run: RunFunction | None = None

    def load(self) -> Callable[[], object]:
        """Import the script and return its `init`.

        Raises:
            AttributeError: The script has no function `init` or no function `run`.
            TypeError: Azure ML does not accept the parameters or the decorators of `run`.
            ImportError: The script needs a module that is not installed.
            ValueError: The file `logging.json` is invalid.
        """
        sys.path[:0] = list(dict.fromkeys([str(self._path.parent), str(self._code)]))
        provide_modules()
        configure_logging([self._code, self._path.parent])
        import_flask(self._code)
        module = _imported(self._path)
        self._run = inspect_run(_function(module, "run"), has_schema=self._has_schema)
        return _function(module, "init")

    @property
    def run(self) -> RunFunction:
        """The script's `run`.

        Raises:
            RuntimeError: The script is not loaded yet.
        """
        if self._run is None:
            raise RuntimeError("load() must be called before run()")
        return self._run


def _imported(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(_MODULE_NAME, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path.name} is not a Python script: its name must end in .py")
    # Do not add the module to sys.modules, because Azure ML's server does not do so either. Code
    # that needs the module there, for example pickle with a class of the script, fails on Azure.
    # The user should see this failure on this machine.
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except ModuleNotFoundError as error:
        if fault := missing_fault(error.name or ""):
            raise ImportError(fault) from error
        raise
    return module


def _function(module: ModuleType, name: str) -> Callable[..., object]:
    function = getattr(module, name, None)
    if not callable(function):
        raise AttributeError(f"the scoring script must define {name}(), which Azure ML calls")
    return function  # type: ignore[no-any-return]
