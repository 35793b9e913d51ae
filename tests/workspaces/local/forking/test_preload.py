from collections.abc import Callable
from pathlib import Path

import pytest

from mnist_exp.workspaces.local.forking.preload import libraries_of
from tests.support.paths import REPOSITORY

MLFLOW = [
    "mlflow",
    "mlflow.tracking.fluent",
    "mnist_exp.workspaces.local.forking.rehearsal:rehearse",
]
TRACKING = [f"{name}~azureml.mlflow" for name in MLFLOW]


@pytest.fixture
def code(tmp_path: Path) -> Callable[..., Path]:
    def make(script: str, **modules: str) -> Path:
        (tmp_path / "script.py").write_text(script, encoding="utf-8")
        for name, text in modules.items():
            (tmp_path / f"{name}.py").write_text(text, encoding="utf-8")
        return tmp_path

    return make


def test_what_a_script_and_its_modules_import_is_found(code: Callable[..., Path]) -> None:
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


def test_mlflow_is_found_wherever_it_hides(code: Callable[..., Path]) -> None:
    folder = code("import helper", helper="def log():\n    import mlflow")
    assert libraries_of(folder, "script.py") == TRACKING


@pytest.mark.parametrize(
    "script", ["import mlflow, azureml.mlflow", "import mlflow\nmlflow.log('azureml://somewhere')"]
)
def test_mlflow_keeps_its_plugin_for_those_who_speak_of_it(
    code: Callable[..., Path], script: str
) -> None:
    assert libraries_of(code(script), "script.py") == MLFLOW


def test_late_imports_of_the_script_itself_count(code: Callable[..., Path]) -> None:
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
def test_keras_is_imported_for_those_who_speak_of_it(
    code: Callable[..., Path], script: str, found: list[str]
) -> None:
    assert libraries_of(code(script), "script.py") == found


def test_modules_of_the_users_own_are_no_libraries(code: Callable[..., Path]) -> None:
    assert libraries_of(code("import scipy, mlflow", scipy="", mlflow=""), "script.py") == []


def test_other_files_named_like_libraries_hide_none(code: Callable[..., Path]) -> None:
    folder = code("import scipy, mlflow")
    (folder / "mlflow.db").touch()
    (folder / "scipy").mkdir()
    assert libraries_of(folder, "script.py") == ["scipy", *TRACKING]


def test_a_broken_script_is_left_to_python(code: Callable[..., Path]) -> None:
    assert libraries_of(code("import numpy\n1 +"), "script.py") == []
    assert libraries_of(code(""), "nowhere.py") == []


def test_our_trainer_gets_tensorflow_without_keras() -> None:
    assert libraries_of(REPOSITORY / "trainer", "train.py") == [
        "numpy",
        "tensorflow~keras",
        *TRACKING,
    ]
