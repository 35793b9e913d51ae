import sys
from pathlib import Path

import pytest

from mnist_exp.serving.script import MODULE_NAME, ScoringScript


@pytest.fixture(autouse=True)
def restored(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "path", [*sys.path])
    for name in (MODULE_NAME, "at_the_root", "beside_it"):
        monkeypatch.delitem(sys.modules, name, raising=False)


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
    assert scoring.run("four") == 4


def test_its_classes_can_be_found_by_module_name(tmp_path: Path):
    source = "import dataclasses\n@dataclasses.dataclass\nclass A: x: 'int'\ninit = run = A"
    script(tmp_path, source).load()
    assert sys.modules[MODULE_NAME].A(1).x == 1


@pytest.mark.parametrize("missing", ["init", "run"])
def test_without_init_or_run_it_is_an_error_that_names_it(tmp_path: Path, missing: str):
    source = {"init": "def run(raw): pass", "run": "def init(): pass"}[missing]
    with pytest.raises(AttributeError, match=rf"must define {missing}\(\)"):
        script(tmp_path, source).load()


def test_a_file_that_is_not_python_is_an_error(tmp_path: Path):
    with pytest.raises(ImportError, match=r"must end in \.py"):
        script(tmp_path, "", "score.txt").load()


def test_run_before_load_is_an_error(tmp_path: Path):
    with pytest.raises(RuntimeError, match="load"):
        script(tmp_path, "").run("x")


@pytest.mark.parametrize(
    ("source", "remedy"),
    [
        ("from azureml.contrib.services.aml_request import rawhttp", r"@rawhttp.*run\(raw_data\)"),
        ("from azureml_inference_server_http.api import aml_response", r"write run\(raw_data\)"),
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
