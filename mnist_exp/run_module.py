"""Run a module of this package with the Python of another environment.

    PYTHON run_module.py MODULE [ARGUMENT ...]

The other environment does not have this package. This script makes only this package importable.
With the package's parent folder on Python's search path, the other environment would also import
the neighbouring packages, which were installed for another Python.
"""

import importlib.util
import runpy
import sys
from pathlib import Path

_PACKAGE = "mnist_exp"


def main() -> None:
    """Run a module as the main program. The first argument is the name of the module."""
    folder = Path(__file__).resolve().parent
    # Python has added the folder of this script to the search path. Remove this folder: its modules
    # would hide other modules with the same names.
    sys.path[:] = [path for path in sys.path if Path(path or ".").resolve() != folder]
    spec = importlib.util.spec_from_file_location(
        _PACKAGE, folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    if spec is None or spec.loader is None:
        raise ImportError(f"{folder} is not the folder of {_PACKAGE}")
    package = importlib.util.module_from_spec(spec)
    sys.modules[_PACKAGE] = package
    spec.loader.exec_module(package)
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
