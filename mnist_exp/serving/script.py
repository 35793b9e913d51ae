"""The user's scoring script, loaded as Azure ML's inference server loads it.

https://learn.microsoft.com/azure/machine-learning/how-to-inference-server-http
"""

import importlib.util
import inspect
import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

__all__ = ["ScoringScript"]

#: Not the file's own name, which could hide an installed package from the script itself.
MODULE_NAME = "entry_script"
#: `run` may take the request's headers under this name.
HEADERS = "request_headers"


class ScoringScript:
    """A module with `init()` and `run(raw_data)`, or `run(raw_data, request_headers)`.

    Args:
        code: The deployment's code folder; the script may import what stands in it.
        name: The script, relative to `code`.
    """

    def __init__(self, code: Path, name: str) -> None:
        self.name = name
        self.wants_headers = False
        self._code = code
        self._path = code / name
        self._run: Callable[..., object] | None = None

    def load(self) -> Callable[[], object]:
        """Import the script and return its `init`.

        Raises:
            AttributeError: It lacks `init` or `run`.
        """
        sys.path[:0] = list(dict.fromkeys([str(self._path.parent), str(self._code)]))
        module = _imported(self._path)
        self._run = _function(module, "run")
        self.wants_headers = _takes_headers(self._run)
        return _function(module, "init")

    def run(self, raw_data: str, headers: bytes = b"") -> object:
        """Score one request; raises whatever the script raises.

        Args:
            raw_data: The body.
            headers: The request's headers as JSON, for a script that wants them.
        """
        if self._run is None:
            raise RuntimeError("load() comes first")
        if self.wants_headers:
            return self._run(raw_data, **{HEADERS: json.loads(headers or b"{}")})
        return self._run(raw_data)


def _imported(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(MODULE_NAME, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path.name} is no Python script: its name must end in .py")
    module = importlib.util.module_from_spec(spec)
    # Pickle and dataclasses look a module up by its name.
    sys.modules[MODULE_NAME] = module
    spec.loader.exec_module(module)
    return module


def _function(module: ModuleType, name: str) -> Callable[..., object]:
    function = getattr(module, name, None)
    if not callable(function):
        raise AttributeError(f"the scoring script must define {name}(); Azure ML calls it")
    return function  # type: ignore[no-any-return]


def _takes_headers(run: Callable[..., object]) -> bool:
    try:
        return HEADERS in inspect.signature(run).parameters
    except ValueError:
        # Something written in C does not tell.
        return False
