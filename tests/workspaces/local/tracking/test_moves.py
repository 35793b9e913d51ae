"""The outputs folder is moved, renamed or copied: the store's locations follow."""

import importlib
import shutil
import threading
from pathlib import Path

import pytest
from mlflow import MlflowClient

from mnist_exp.specs import ModelSpec
from mnist_exp.workspaces.local.tracking.moves import follow_move, store_lock
from mnist_exp.workspaces.local.tracking.store import Tracking
from mnist_exp.workspaces.local.workspace import LocalWorkspace
from tests.support.local_jobs import LocalJobs
from tests.support.small_jobs import command_job, description
from tests.support.watching import Watcher


def locations(outputs: Path) -> list[str]:
    """Return every location in a store, after a command has opened the store."""
    client = MlflowClient(Tracking(outputs).models and Tracking(outputs).uri)
    experiment = client.get_experiment_by_name("experiment")
    assert experiment
    (run,) = client.search_runs([experiment.experiment_id])
    (logged,) = client.search_logged_models([experiment.experiment_id])
    (version,) = client.search_model_versions()
    found = [experiment.artifact_location, run.info.artifact_uri, logged.artifact_location]
    return [*found, str(version.source)]


@pytest.fixture
def used(jobs: LocalJobs) -> LocalJobs:
    """An outputs folder with a job, a logged model and a registered model."""
    jobs.run("mkdir outputs/model; echo 1 > outputs/model/a")
    info = jobs.tracked().info
    jobs.client.create_logged_model(info.experiment_id, "dense", info.run_id)
    jobs.workspace.register_model(ModelSpec("digits", "job", "outputs/model"))
    return jobs


@pytest.mark.parametrize("is_copied", [False, True])
def test_locations_follow_the_outputs(used: LocalJobs, tmp_path: Path, is_copied: bool) -> None:
    before = locations(used.outputs)
    new = tmp_path / "100% new" / "it's out"
    new.parent.mkdir()
    if is_copied:
        shutil.copytree(used.outputs, new, symlinks=True)
    else:
        used.outputs.rename(new)
    old_names = (used.outputs.as_uri(), str(used.outputs))
    new_names = (new.as_uri(), str(new))
    expected = before
    for old_name, new_name in zip(old_names, new_names, strict=True):
        expected = [text.replace(old_name, new_name) for text in expected]
    assert locations(new) == expected
    if is_copied:
        assert locations(used.outputs) == before
    client = MlflowClient(Tracking(new).uri)
    run_id = description(new / "jobs" / "job")["mlflow_run_id"]
    (model,) = client.list_artifacts(run_id, "outputs/model")
    assert model.path == "outputs/model/a"


def test_a_moved_workspace_goes_on(used: LocalJobs, tmp_path: Path) -> None:
    new = tmp_path / "new"
    used.outputs.rename(new)
    workspace = LocalWorkspace(new)
    model = workspace.find_model("digits")
    assert model is not None
    assert Path(model.path, "a").read_text() == "1\n"
    assert workspace.register_model(ModelSpec("digits", "job", "outputs/model")).version == "2"
    workspace.submit(command_job("echo 2 > outputs/a", "second"))
    workspace.watch("second", Watcher())
    assert not used.outputs.exists()
    run_id = description(new / "jobs" / "second")["mlflow_run_id"]
    listed = MlflowClient(Tracking(new).uri).list_artifacts(run_id, "outputs")
    assert [entry.path for entry in listed] == ["outputs/a"]


def test_a_second_path_of_the_same_folder_changes_nothing(used: LocalJobs, tmp_path: Path) -> None:
    before = locations(used.outputs)
    # A bind mount needs rights; the file that has the path is enough.
    (tmp_path / "mounted").symlink_to(used.outputs)
    (used.outputs / ".location").write_text(str(tmp_path / "mounted"))
    assert locations(used.outputs) == before


def test_a_kill_in_the_middle_changes_no_location_twice(
    tracking: Tracking, outputs: Path, tmp_path: Path
) -> None:
    run = tracking.start("experiment", "run", tmp_path, {})
    # First into a folder of the old folder, then back into the folder above.
    for old, new in ((outputs, outputs / "in"), (outputs / "in", outputs)):
        old.rename(tmp_path / "elsewhere")
        if not outputs.exists():
            outputs.mkdir()
        if new == outputs:
            outputs.rmdir()
        (tmp_path / "elsewhere").rename(new)
        for _ in range(2):
            follow_move(new)
            info = MlflowClient(Tracking(new).uri).get_run(run.run_id).info
            assert info.artifact_uri == f"{(new / 'mlartifacts').as_uri()}/{run.run_id}/artifacts"
            # A killed command has changed the database, but not this file.
            (new / ".location").write_text(str(old))
        follow_move(new)


def test_a_second_process_waits_until_the_first_has_changed_the_locations(
    tracking: Tracking, outputs: Path, tmp_path: Path
) -> None:
    assert tracking.store.is_file()
    new = tmp_path / "new"
    outputs.rename(new)
    second = threading.Thread(target=follow_move, args=(new,))
    with store_lock(new):
        second.start()
        second.join(0.2)
        assert (new / ".location").read_text() == str(outputs)
    second.join()
    assert (new / ".location").read_text() == str(new)


def test_a_run_whose_folder_cannot_be_linked_is_deleted(
    tracking: Tracking, outputs: Path, tmp_path: Path
) -> None:
    (outputs / "mlartifacts").write_text("a file")
    with pytest.raises(OSError, match="mlartifacts"):
        tracking.start("experiment", "job", tmp_path, {})
    experiment = MlflowClient(tracking.uri).get_experiment_by_name("experiment")
    assert experiment
    assert MlflowClient(tracking.uri).search_runs([experiment.experiment_id]) == []


def test_mlflows_default_experiment_is_in_the_outputs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    # Another library may have imported MLflow's server, whose stores have no default location.
    importlib.import_module("mlflow.server.handlers")
    tracking = Tracking(tmp_path / "out")
    assert tracking.store.is_file()
    default = MlflowClient(tracking.uri).get_experiment("0")
    assert default.artifact_location == (tmp_path / "out" / "mlartifacts" / "0").as_uri()
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
