"""The user's scoring script, loaded as Azure ML's inference server loads it.

https://learn.microsoft.com/azure/machine-learning/how-to-inference-server-http
"""

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

from mnist_exp.serving.calling import Calling, calling, missing_fault

#: Not the file's own name, which could hide an installed package from the script itself.
MODULE_NAME = "entry_script"


class ScoringScript:
    """A module with `init()` and `run(raw_data)`, or another form of `run` (see `calling`).

    Args:
        code: The deployment's code folder; the script may import what stands in it.
        name: The script, relative to `code`.
    """

    def __init__(self, code: Path, name: str) -> None:
        self.name = name
        self._code = code
        self._path = code / name
        self._run: Calling | None = None

    @property
    def wants_headers(self) -> bool:
        """Whether the headers must come with each request; known when it is loaded."""
        return self._run is not None and self._run.needs_headers

    def load(self) -> Callable[[], object]:
        """Import the script and return its `init`.

        Raises:
            AttributeError: It lacks `init` or `run`.
            TypeError: `run` is none that Azure ML would call, or none that is called here.
            ImportError: It needs something that is not here.
        """
        sys.path[:0] = list(dict.fromkeys([str(self._path.parent), str(self._code)]))
        module = _imported(self._path)
        self._run = calling(_function(module, "run"))
        return _function(module, "init")

    def run(self, raw_data: str, headers: bytes = b"") -> object:
        """Score one request; raises whatever the script raises.

        Args:
            raw_data: The body.
            headers: The request's headers as JSON, for a script that wants them.
        """
        if self._run is None:
            raise RuntimeError("load() comes first")
        return self._run(raw_data, headers)


def _imported(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(MODULE_NAME, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path.name} is no Python script: its name must end in .py")
    module = importlib.util.module_from_spec(spec)
    # Pickle and dataclasses look a module up by its name.
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
