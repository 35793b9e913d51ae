import importlib.machinery
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

from mnist_exp.workspaces.local.processes.forking.analysis import (
    libraries_of,
    own_modules,
    python_call,
    slow_library,
)
from tests.support.paths import REPOSITORY

EXTENSION = importlib.machinery.EXTENSION_SUFFIXES[0]
MLFLOW = [
    "mlflow",
    "mlflow.tracking.fluent",
    "mnist_exp.workspaces.local.processes.forking.rehearsal:rehearse",
]
TRACKING = [f"{name}~azureml.mlflow" for name in MLFLOW]


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("python train.py", ["train.py"]),
        ("python3 sub/train.py --lr 0.1 --on", ["sub/train.py", "--lr", "0.1", "--on"]),
        (
            "python t.py --name 'two words' --path=/a/b",
            ["t.py", "--name", "two words", "--path=/a/b"],
        ),
        ("  python   t.py  ", ["t.py"]),
        (f"python t.py {shlex.quote(chr(39) + '$x; *')}", ["t.py", "'$x; *"]),
    ],
)
def test_a_plain_call_of_a_script_can_be_forked(command: str, words: list[str]) -> None:
    assert python_call(command, {}) == words


@pytest.mark.parametrize(
    "command",
    [
        "bash train.sh",
        "python",
        "python -u train.py",
        "python -m train",
        "python train",
        "python train.py; echo done",
        "python train.py && python score.py",
        "python train.py > out.txt",
        "python train.py --lr $LR",
        "python train.py --files *.csv",
        'python train.py --name "$USER"',
        "python train.py `date`",
        "LR=1 python train.py",
        "python train.py\nls",
        "python train.py ~/data",
        "/usr/bin/python train.py",
    ],
)
def test_any_other_command_needs_a_shell(command: str) -> None:
    assert python_call(command, {}) is None


@pytest.mark.parametrize("name", ["PYTHONPATH", "PYTHONHOME", "PYTHONWARNINGS", "PYTHONSTARTUP"])
def test_a_variable_that_python_reads_at_its_start_prevents_a_fork(name: str) -> None:
    assert python_call("python t.py", {"PYTHONUNBUFFERED": "1"}) == ["t.py"]
    assert python_call("python t.py", {name: "x"}) is None


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
def test_own_modules_are_those_that_python_prefers_to_installed_ones(
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


def test_a_missing_folder_has_no_own_modules(tmp_path: Path) -> None:
    assert own_modules(tmp_path / "nowhere") == set()


@pytest.fixture
def code(tmp_path: Path) -> Callable[..., Path]:
    def make(script: str, **modules: str) -> Path:
        (tmp_path / "script.py").write_text(script, encoding="utf-8")
        for name, text in modules.items():
            (tmp_path / f"{name}.py").write_text(text, encoding="utf-8")
        return tmp_path

    return make


def test_imports_of_a_script_and_its_modules_are_found(code: Callable[..., Path]) -> None:
    folder = code("import helper, json", helper="from sklearn.svm import SVC\nimport numpy as np")
    assert libraries_of(folder, "script.py") == ["numpy", "sklearn"]


@pytest.mark.parametrize(
    "imports",
    ["import pack.fit", "from pack import fit", "from pack.fit import train", "import pack"],
)
def test_packages_beside_the_script_are_followed(code: Callable[..., Path], imports: str) -> None:
    folder = code(imports)
    (folder / "pack").mkdir()
    (folder / "pack" / "__init__.py").write_text("from . import fit", encoding="utf-8")
    (folder / "pack" / "fit.py").write_text("from .deep import numbers", encoding="utf-8")
    (folder / "pack" / "deep.py").write_text("import numpy, pack.data", encoding="utf-8")
    (folder / "pack" / "data.py").write_text("import pandas", encoding="utf-8")
    assert libraries_of(folder, "script.py") == ["numpy", "pandas"]


def test_mlflow_is_found_in_functions_of_modules(code: Callable[..., Path]) -> None:
    folder = code("import helper", helper="def log():\n    import mlflow")
    assert libraries_of(folder, "script.py") == TRACKING


@pytest.mark.parametrize(
    "script", ["import mlflow, azureml.mlflow", "import mlflow\nmlflow.log('azureml://somewhere')"]
)
def test_mlflow_keeps_its_plugin_if_a_script_names_it(
    code: Callable[..., Path], script: str
) -> None:
    assert libraries_of(code(script), "script.py") == MLFLOW


def test_imports_in_functions_count_in_the_script_alone(code: Callable[..., Path]) -> None:
    folder = code("def main():\n    import helper", helper="import pandas\ndef f(): import scipy")
    assert libraries_of(folder, "script.py") == ["pandas"]


@pytest.mark.parametrize(
    ("script", "found"),
    [
        ("import tensorflow", ["tensorflow~keras"]),
        ("import tensorflow as tf\ntf.keras.Sequential()", ["keras", "tensorflow"]),
        ("from tensorflow import keras", ["keras", "tensorflow"]),
        ("import keras, tensorflow", ["keras", "tensorflow"]),
    ],
)
def test_keras_is_imported_if_a_script_uses_it(
    code: Callable[..., Path], script: str, found: list[str]
) -> None:
    assert libraries_of(code(script), "script.py") == found


def test_own_modules_are_no_libraries(code: Callable[..., Path]) -> None:
    assert libraries_of(code("import scipy, mlflow", scipy="", mlflow=""), "script.py") == []


def test_other_files_do_not_hide_a_library(code: Callable[..., Path]) -> None:
    folder = code("import scipy, mlflow")
    (folder / "mlflow.db").touch()
    (folder / "scipy").mkdir()
    assert libraries_of(folder, "script.py") == ["scipy", *TRACKING]


def test_a_broken_script_has_no_libraries(code: Callable[..., Path]) -> None:
    assert libraries_of(code("import numpy\n1 +"), "script.py") == []
    assert libraries_of(code(""), "nowhere.py") == []


def test_the_trainer_gets_tensorflow_without_keras() -> None:
    assert libraries_of(REPOSITORY / "trainer", "train.py") == [
        "numpy",
        "tensorflow~keras",
        *TRACKING,
    ]


@pytest.mark.parametrize(
    ("text", "command", "name"),
    [
        ("import numpy\nimport tensorflow as tf", "python fit.py --x {{inputs.x}}", "TensorFlow"),
        ("def main():\n    from sklearn import svm", "echo a && python3 fit.py", "scikit-learn"),
        ("import json", "python fit.py", ""),
        ("import torch", "bash fit.sh", ""),
        ("import torch", "python other.py", ""),
    ],
)
def test_the_slowest_library_of_a_script_has_its_own_name(
    tmp_path: Path, text: str, command: str, name: str
) -> None:
    (tmp_path / "fit.py").write_text(text, encoding="utf-8")
    assert slow_library(tmp_path, command) == name
    assert slow_library(None, command) == ""
