"""Load the user's scoring script in the same way as Azure ML's inference server.

https://learn.microsoft.com/azure/machine-learning/how-to-inference-server-http
"""

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

from mnist_exp.serving.run_function import RunFunction, inspect_run, missing_fault

#: Name of the script's module. If the module had the name of the file, it could hide an installed
#: package with the same name.
MODULE_NAME = "entry_script"


class ScoringScript:
    """The user's scoring script: a module with the functions `init` and `run`.

    The module `run_function` lists the supported signatures of `run`.

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

    @property
    def wants_headers(self) -> bool:
        """Whether the script's `run` needs the headers of each request; False before `load`."""
        return self._run is not None and self._run.needs_headers

    def load(self) -> Callable[[], object]:
        """Import the script and return its `init`.

        Raises:
            AttributeError: The script has no function `init` or no function `run`.
            TypeError: Azure ML does not accept the parameters of `run`, or `run` uses a feature
                that works only on Azure ML.
            ImportError: The script needs a module that is not installed.
        """
        sys.path[:0] = list(dict.fromkeys([str(self._path.parent), str(self._code)]))
        module = _imported(self._path)
        self._run = inspect_run(_function(module, "run"), has_schema=self._has_schema)
        return _function(module, "init")

    def run(self, raw_data: str, headers: bytes = b"") -> object:
        """Score one request, and return the result.

        Args:
            raw_data: The request's body.
            headers: The request's headers as JSON; may be empty if `wants_headers` is False.

        Raises:
            BaseException: Any exception that the script raises.
        """
        if self._run is None:
            raise RuntimeError("load() must be called before run()")
        return self._run(raw_data, headers)


def _imported(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(MODULE_NAME, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path.name} is not a Python script: its name must end in .py")
    module = importlib.util.module_from_spec(spec)
    # Add the module to sys.modules, because pickle and dataclasses search the module there.
    sys.modules[MODULE_NAME] = module
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
