"""What counts as a module is what Python itself finds: each case is asked of it as well."""

import importlib.machinery
from pathlib import Path

import pytest

from mnist_exp.workspaces.local.processes.forking.analysis import own_modules

EXTENSION = importlib.machinery.EXTENSION_SUFFIXES[0]


@pytest.mark.parametrize(
    ("beside", "is_module"),
    [
        ("numpy.py", True),
        ("numpy.pyc", True),
        (f"numpy{EXTENSION}", True),
        ("numpy.so", True),
        ("numpy/__init__.py", True),
        ("numpy/__init__.pyc", True),
        ("numpy", False),
        ("numpy.md", False),
        ("numpy.db", False),
        ("numpy.backup.py", False),
        ("numpy/array.py", False),
        ("numpy.py/array.py", False),
    ],
)
def test_own_modules_are_those_that_come_before_installed_ones(
    tmp_path: Path, beside: str, *, is_module: bool
) -> None:
    (tmp_path / "code" / beside).parent.mkdir(parents=True)
    (tmp_path / "code" / beside).touch()
    assert own_modules(tmp_path / "code") == ({"numpy"} if is_module else set())
    installed = tmp_path / "installed" / "numpy"
    installed.mkdir(parents=True)
    (installed / "__init__.py").touch()
    path = [str(tmp_path / "code"), str(tmp_path / "installed")]
    spec = importlib.machinery.PathFinder.find_spec("numpy", path)
    assert spec is not None
    assert (Path(str(spec.origin)).parent == installed) is not is_module


def test_a_folder_that_is_not_there_has_none(tmp_path: Path) -> None:
    assert own_modules(tmp_path / "nowhere") == set()
