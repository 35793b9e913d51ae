import sys
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import pytest

from mnist_exp.serving.frames import Request
from mnist_exp.serving.script import ScoringScript


@pytest.fixture(autouse=True)
def restored(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(sys, "path", [*sys.path])
    # Remove the modules that `load` adds.
    with patch.dict(sys.modules):
        yield


def script(folder: Path, source: str, name: str = "score.py") -> ScoringScript:
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(source)
    return ScoringScript(folder, name)


def test_a_script_may_import_from_its_folder_and_the_code_folder(tmp_path: Path):
    (tmp_path / "at_the_root.py").write_text("A = 1")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "beside_it.py").write_text("B = 2")
    source = "import at_the_root as a, beside_it as b\ndef init(): return a.A + b.B\n"
    source += "def run(raw): return len(raw)"
    scoring = script(tmp_path, source, "sub/score.py")
    assert scoring.load()() == 3
    assert scoring.run.arguments(Request(b"", b"", b"four")) == {"raw": "four"}


@pytest.mark.parametrize(
    ("source", "is_imported"),
    [("def late(): import flask", True), ("def late(): from flask import g", True), ("", False)],
)
def test_flask_is_imported_early_if_a_module_of_the_code_mentions_it(
    tmp_path: Path, source: str, is_imported: bool, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delitem(sys.modules, "flask", raising=False)
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "helper.py").write_text(source)
    (tmp_path / "folder.py").mkdir()
    scoring = script(tmp_path, "def init(): pass\ndef run(raw): pass")
    scoring.load()
    assert ("flask" in sys.modules) is is_imported
    assert scoring.run.needs_head is is_imported


@pytest.mark.parametrize("missing", ["init", "run"])
def test_without_init_or_run_it_is_an_error_that_names_it(tmp_path: Path, missing: str):
    source = {"init": "def run(raw): pass", "run": "def init(): pass"}[missing]
    with pytest.raises(AttributeError, match=rf"must define {missing}\(\)"):
        script(tmp_path, source).load()


def test_a_file_that_is_not_python_is_an_error(tmp_path: Path):
    with pytest.raises(ImportError, match=r"must end in \.py"):
        script(tmp_path, "", "score.txt").load()


def test_a_worker_without_flask_can_inspect_its_modules(tmp_path: Path):
    source = "import inspect\ndef init(): return inspect.stack()\ndef run(raw): pass"
    scoring = script(tmp_path, source)
    sys.modules["flask"] = None  # type: ignore[assignment]
    assert scoring.load()()


def test_run_before_load_is_an_error(tmp_path: Path):
    with pytest.raises(RuntimeError, match="load"):
        script(tmp_path, "").run.arguments(Request(b"", b"", b"x"))


@pytest.mark.parametrize(
    ("source", "remedy"),
    [
        (
            "import sys\nsys.modules['flask'] = None\n"
            "from azureml.contrib.services.aml_request import rawhttp",
            "@rawhttp.*need Flask: pip install azureml-inference-server-http",
        ),
        (
            "from inference_schema.schema_decorators import input_schema",
            "pip install inference-sch",
        ),
        ("import no_such_package", "No module named 'no_such_package'"),
    ],
)
def test_a_missing_package_of_azure_is_reported_with_a_remedy(
    tmp_path: Path, source: str, remedy: str
):
    with pytest.raises(ImportError, match=remedy) as caught:
        script(tmp_path, source).load()
    assert "\n" not in str(caught.value)
