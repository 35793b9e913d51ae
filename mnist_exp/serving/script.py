"""The user's scoring script, loaded as Azure ML's inference server loads it.

https://learn.microsoft.com/azure/machine-learning/how-to-inference-server-http
"""

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

from mnist_exp.serving.run_function import RunFunction, inspect_run, missing_fault

#: Name of the script's module. The file's own name could hide an installed package of that name.
MODULE_NAME = "entry_script"


class ScoringScript:
    """A module with `init()` and `run(raw_data)`, or another form of `run` (see `run_function`).

    Args:
        code: The deployment's code folder; the script may import modules in it.
        name: The script's path relative to `code`.
    """

    def __init__(self, code: Path, name: str) -> None:
        self.name = name
        self._code = code
        self._path = code / name
        self._run: RunFunction | None = None

    @property
    def wants_headers(self) -> bool:
        """Whether each request must carry its headers; False before `load`."""
        return self._run is not None and self._run.needs_headers

    def load(self) -> Callable[[], object]:
        """Import the script and return its `init`.

        Raises:
            AttributeError: The script lacks `init` or `run`.
            TypeError: Azure ML would not call this `run`, or only Azure ML can call it.
            ImportError: The script needs a module that is not installed.
        """
        sys.path[:0] = list(dict.fromkeys([str(self._path.parent), str(self._code)]))
        module = _imported(self._path)
        self._run = inspect_run(_function(module, "run"))
        return _function(module, "init")

    def run(self, raw_data: str, headers: bytes = b"") -> object:
        """Score one request, and return the result.

        Args:
            raw_data: The request's body.
            headers: The request's headers as JSON, for a script that takes headers.

        Raises:
            BaseException: Whatever the script raises.
        """
        if self._run is None:
            raise RuntimeError("load() must be called before run()")
        return self._run(raw_data, headers)


def _imported(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(MODULE_NAME, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path.name} is not a Python script: its name must end in .py")
    module = importlib.util.module_from_spec(spec)
    # Pickle and dataclasses look up a module by its name.
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
        raise AttributeError(f"the scoring script must define {name}(); Azure ML calls it")
    return function  # type: ignore[no-any-return]
