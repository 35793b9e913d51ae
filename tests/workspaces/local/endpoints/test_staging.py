from dataclasses import replace
from pathlib import Path

import pytest

from mnist_exp.errors import ConfigError, NotFoundError
from mnist_exp.specs import DeploymentSpec
from mnist_exp.workspaces.local.endpoints.staging import (
    ModelFiles,
    stage_revision,
    worker_variables,
)
from tests.workspaces.local.endpoints.bench import Bench

SHOWS_FILES = """
import os, pathlib

def init():
    pass

def run(raw_data):
    root = pathlib.Path(os.environ["AZUREML_MODEL_DIR"])
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())
"""


def test_a_folder_model_stands_in_the_model_dir_under_its_own_name(bench: Bench):
    bench.deploy(SHOWS_FILES)
    assert bench.endpoints.invoke("digits-endpoint", b"", "blue") == ["model/variables/weights"]


def test_a_file_model_stands_in_the_model_dir(bench: Bench):
    file = bench.folder / "model.onnx"
    file.write_text("onnx")
    bench.endpoints.deploy(bench.spec(SHOWS_FILES), ModelFiles(file, "digits", "1"))
    assert bench.endpoints.invoke("digits-endpoint", b"", "blue") == ["model.onnx"]


def test_behind_a_link_the_model_keeps_its_registered_name(bench: Bench):
    link = bench.folder / "registered"
    link.symlink_to(bench.model)
    stage(bench, model=ModelFiles(link, "digits", "1"))
    assert (bench.folder / "1/azureml-models/digits/1/registered/variables/weights").is_file()


def test_a_read_only_model_gives_a_copy_that_can_be_deleted(bench: Bench):
    folder = bench.model / "variables"
    folder.chmod(0o555)
    stage(bench)
    folder.chmod(0o755)
    copy = bench.folder / "1/azureml-models/digits/1/model/variables"
    assert copy.stat().st_mode & 0o200


def test_amlignore_of_the_code_folder_is_honoured(bench: Bench):
    spec = bench.spec()
    (spec.code / ".amlignore").write_text("secret.txt\n")
    (spec.code / "secret.txt").write_text("x")
    stage(bench, spec)
    assert not (bench.folder / "1/code/secret.txt").exists()


def test_the_outputs_folder_is_no_part_of_the_code(bench: Bench):
    spec = bench.spec()
    (spec.code / "outputs").mkdir()
    (spec.code / "outputs" / "large").write_text("x")
    stage(bench, spec, leave_out=spec.code / "outputs")
    assert sorted(path.name for path in (bench.folder / "1/code").iterdir()) == ["score.py"]


def test_settings_may_hold_secrets_of_the_user_and_are_readable_to_nobody_else(bench: Bench):
    stage(bench)
    assert (bench.folder / "1/server.json").stat().st_mode & 0o777 == 0o600


def test_without_a_script_only_an_mlflow_model_can_be_deployed(bench: Bench):
    with pytest.raises(ConfigError, match=r"scoring_script: only a model .*mlflow_model"):
        stage(bench, bench.spec(scoring_script=None, code=None))


def test_the_deployment_keeps_its_files_when_the_originals_change(bench: Bench):
    bench.deploy(SHOWS_FILES)
    (bench.model / "variables" / "weights").unlink()
    bench.code("syntax error")
    assert bench.endpoints.invoke("digits-endpoint", b"", "blue") == ["model/variables/weights"]


@pytest.mark.parametrize("script", ["missing.py", "../score.py", "."])
def test_a_script_that_is_not_in_the_code_is_an_error(bench: Bench, script: str):
    (bench.folder / "score.py").write_text("")
    with pytest.raises(ConfigError, match=r"endpoint\.deployment\.scoring_script: must be a file"):
        stage(bench, bench.spec(scoring_script=script))


def test_code_that_is_no_folder_is_an_error(bench: Bench):
    with pytest.raises(ConfigError, match=r"endpoint\.deployment\.code: must be a folder"):
        stage(bench, replace(bench.spec(), code=bench.folder / "none"))


def test_a_model_whose_files_are_gone_is_an_error(bench: Bench):
    with pytest.raises(NotFoundError, match="digits:3 are gone"):
        stage(bench, model=ModelFiles(bench.folder / "none", "digits", "3"))


@pytest.mark.parametrize(("name", "version"), [("../x", "1"), ("x", ".."), ("", "1"), ("a/b", "1")])
def test_a_model_name_cannot_leave_the_folder(bench: Bench, name: str, version: str):
    with pytest.raises(ConfigError, match="registration"):
        stage(bench, model=ModelFiles(bench.model, name, version))


def test_nothing_is_inherited_but_what_a_program_needs(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("AZURE_CLIENT_SECRET", "secret")
    monkeypatch.setenv("PYTHONPATH", "/elsewhere")
    spec = bench.spec(environment_variables={"MINE": "1", "AZUREML_MODEL_DIR": "/elsewhere"})
    model = ModelFiles(bench.model, "digits", "3")
    variables = worker_variables(spec, model, bench.folder / "1")
    assert (variables["MINE"], variables["OMP_NUM_THREADS"]) == ("1", "1")
    assert variables["AZUREML_MODEL_DIR"] == str(bench.folder / "1/azureml-models/digits/3")
    assert variables["AML_APP_ROOT"] == str(bench.folder / "1/code")
    assert variables["AZUREML_ENTRY_SCRIPT"] == "score.py"
    assert not {"AZURE_CLIENT_SECRET", "PYTHONPATH"} & variables.keys()


def stage(
    bench: Bench,
    spec: DeploymentSpec | None = None,
    model: ModelFiles | None = None,
    leave_out: Path | None = None,
):
    revision = bench.folder / "1"
    revision.mkdir()
    model = model or ModelFiles(bench.model, "digits", "1")
    stage_revision(revision, spec or bench.spec(), model, leave_out)
