from dataclasses import replace
from pathlib import Path

import pytest

from mnist_exp.errors import ConfigError, NotFoundError
from mnist_exp.serving.settings import load_settings
from mnist_exp.specs import DeploymentSpec
from mnist_exp.workspaces.local.endpoints.staging import (
    ModelFiles,
    fingerprint,
    stage_revision,
    worker_variables,
)
from mnist_exp.workspaces.local.environments.interpreter import this_interpreter
from tests.support.deployment_fields import each_field_changed, with_new_fields
from tests.support.files import write_file
from tests.support.scripted_endpoint import NAME, ScriptedEndpoint

SHOWS_FILES = """
import os, pathlib

def init():
    pass

def run(raw_data):
    root = pathlib.Path(os.environ["AZUREML_MODEL_DIR"])
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())
"""


@pytest.fixture
def unstarted(tmp_path: Path) -> ScriptedEndpoint:
    """The files for a deployment, without an endpoint."""
    return ScriptedEndpoint(tmp_path)


def test_the_model_dir_contains_a_folder_model_under_its_own_name(scripted: ScriptedEndpoint):
    scripted.deploy(SHOWS_FILES)
    assert scripted.endpoints.invoke(NAME, b"", "blue") == ["model/variables/weights"]


def test_the_model_dir_contains_a_file_model(scripted: ScriptedEndpoint):
    file = scripted.folder / "model.onnx"
    file.write_text("onnx")
    scripted.endpoints.deploy(scripted.spec(SHOWS_FILES), ModelFiles(file, "digits", "1"))
    assert scripted.endpoints.invoke(NAME, b"", "blue") == ["model.onnx"]


def test_a_linked_model_keeps_its_registered_name(unstarted: ScriptedEndpoint):
    link = unstarted.folder / "registered"
    link.symlink_to(unstarted.model)
    stage(unstarted, model=ModelFiles(link, "digits", "1"))
    assert (unstarted.folder / "1/azureml-models/digits/1/registered/variables/weights").is_file()


def test_a_logged_model_has_its_name(unstarted: ScriptedEndpoint):
    artifacts = write_file(unstarted.folder / "m-1/artifacts/MLmodel", "").parent
    stage(unstarted, model=ModelFiles(artifacts, "digits", "1", logged_name="dense"))
    assert (unstarted.folder / "1/azureml-models/digits/1/dense/MLmodel").is_file()


def test_the_copy_of_a_read_only_model_can_be_deleted(unstarted: ScriptedEndpoint):
    folder = unstarted.model / "variables"
    folder.chmod(0o555)
    stage(unstarted)
    folder.chmod(0o755)
    copy = unstarted.folder / "1/azureml-models/digits/1/model/variables"
    assert copy.stat().st_mode & 0o200


def test_files_in_amlignore_are_not_copied(unstarted: ScriptedEndpoint):
    spec = unstarted.spec()
    code = Path(spec.code or "")
    (code / ".amlignore").write_text("secret.txt\n")
    (code / "secret.txt").write_text("x")
    stage(unstarted, spec)
    assert not (unstarted.folder / "1/code/secret.txt").exists()


def test_the_outputs_folder_is_not_copied(unstarted: ScriptedEndpoint):
    spec = unstarted.spec()
    left_out = Path(spec.code or "", "outputs")
    left_out.mkdir()
    (left_out / "large").write_text("x")
    stage(unstarted, spec, leave_out=left_out)
    assert sorted(path.name for path in (unstarted.folder / "1/code").iterdir()) == ["score.py"]


def test_only_the_owner_can_read_the_settings(unstarted: ScriptedEndpoint):
    stage(unstarted)
    assert (unstarted.folder / "1/server.json").stat().st_mode & 0o777 == 0o600


def test_a_change_of_any_field_needs_a_new_revision(unstarted: ScriptedEndpoint):
    spec, model = unstarted.spec(), ModelFiles(unstarted.model, "digits", "3")
    before = fingerprint(spec, model, this_interpreter())
    assert fingerprint(replace(spec), model, this_interpreter()) == before
    for name, changed in each_field_changed(spec):
        # The fingerprint contains the files of the code, but not the path of the folder.
        assert name == "code" or fingerprint(changed, model, this_interpreter()) != before, name


def test_a_new_field_reaches_the_settings_and_the_fingerprint(unstarted: ScriptedEndpoint):
    model = ModelFiles(unstarted.model, "digits", "1")
    spec = with_new_fields(unstarted.spec())
    stage(unstarted, spec, model)
    settings = load_settings(unstarted.folder / "1")
    assert settings.deployment["new_field"] == "text"
    assert settings.deployment["liveness_probe"]["new_field"] == 3
    assert settings.liveness_probe.period == spec.liveness_probe.period
    assert fingerprint(replace(spec, new_field="other"), model, this_interpreter()) != fingerprint(
        spec, model, this_interpreter()
    )


def test_only_an_mlflow_model_needs_no_script(unstarted: ScriptedEndpoint):
    with pytest.raises(ConfigError, match=r"scoring_script: must name a script.*mlflow_model"):
        stage(unstarted, unstarted.spec(scoring_script=None, code=None))


def test_a_deployment_does_not_see_changes_of_the_originals(scripted: ScriptedEndpoint):
    scripted.deploy(SHOWS_FILES)
    (scripted.model / "variables" / "weights").unlink()
    scripted.code("syntax error")
    assert scripted.endpoints.invoke(NAME, b"", "blue") == ["model/variables/weights"]


@pytest.mark.parametrize("script", ["missing.py", "../score.py", "."])
def test_a_script_outside_the_code_is_an_error(unstarted: ScriptedEndpoint, script: str):
    (unstarted.folder / "score.py").write_text("")
    with pytest.raises(ConfigError, match=r"endpoint\.deployment\.scoring_script: must be a file"):
        stage(unstarted, unstarted.spec(scoring_script=script))


def test_code_must_be_a_folder(unstarted: ScriptedEndpoint):
    with pytest.raises(ConfigError, match=r"endpoint\.deployment\.code: must be a folder"):
        stage(unstarted, replace(unstarted.spec(), code=str(unstarted.folder / "none")))


def test_a_model_without_files_is_an_error(unstarted: ScriptedEndpoint):
    with pytest.raises(NotFoundError, match="digits:3 do not exist"):
        stage(unstarted, model=ModelFiles(unstarted.folder / "none", "digits", "3"))


@pytest.mark.parametrize(("name", "version"), [("../x", "1"), ("x", ".."), ("", "1"), ("a/b", "1")])
def test_a_model_name_cannot_leave_the_folder(unstarted: ScriptedEndpoint, name: str, version: str):
    with pytest.raises(ConfigError, match="registration"):
        stage(unstarted, model=ModelFiles(unstarted.model, name, version))


def test_workers_inherit_only_what_a_program_needs(
    unstarted: ScriptedEndpoint, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("AZURE_CLIENT_SECRET", "secret")
    monkeypatch.setenv("PYTHONPATH", "/elsewhere")
    spec = unstarted.spec(environment_variables={"MINE": "1", "AZUREML_MODEL_DIR": "/elsewhere"})
    model = ModelFiles(unstarted.model, "digits", "3")
    software = {"PATH": "/environment/bin:/usr/bin"}
    variables = worker_variables(spec, model, unstarted.folder / "1", software)
    assert (variables["MINE"], variables["OMP_NUM_THREADS"]) == ("1", "1")
    assert variables["AZUREML_MODEL_DIR"] == str(unstarted.folder / "1/azureml-models/digits/3")
    assert variables["AML_APP_ROOT"] == str(unstarted.folder / "1/code")
    assert variables["AZUREML_ENTRY_SCRIPT"] == "score.py"
    assert not {"AZURE_CLIENT_SECRET", "PYTHONPATH"} & variables.keys()


def stage(
    unstarted: ScriptedEndpoint,
    spec: DeploymentSpec | None = None,
    model: ModelFiles | None = None,
    leave_out: Path | None = None,
):
    revision = unstarted.folder / "1"
    revision.mkdir()
    model = model or ModelFiles(unstarted.model, "digits", "1")
    stage_revision(revision, spec or unstarted.spec(), model, this_interpreter(), leave_out)
