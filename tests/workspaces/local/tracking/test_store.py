import shutil
from pathlib import Path

import pytest
from mlflow import MlflowClient

from mnist_exp.errors import OutputsError, RefusedError
from mnist_exp.status import JobStatus
from mnist_exp.workspaces.local.tracking.database import STORE_NAME, connected
from mnist_exp.workspaces.local.tracking.store import Tracking


@pytest.mark.parametrize("name", ["a#b", "a%20b", "a?b", "ä b'c"])
def test_a_runs_artifacts_are_its_folder_whatever_the_outputs_are_called(
    tmp_path: Path, empty_store: Path, name: str
) -> None:
    outputs, folder = tmp_path / name, tmp_path / "job"
    for made in (outputs, folder):
        made.mkdir()
    shutil.copyfile(empty_store, outputs / STORE_NAME)
    run = Tracking(outputs).start("experiment", "run", folder, {})
    (folder / "artifacts" / "model.bin").touch()
    found = MlflowClient(run.tracking_uri).list_artifacts(run.run_id)
    assert [entry.path for entry in found] == ["model.bin"]


def test_a_deleted_experiment_is_told_of_with_the_way_to_restore_it(
    tracking: Tracking, tmp_path: Path
) -> None:
    run = tracking.start("digits", "run", tmp_path, {})
    MlflowClient(tracking.uri).delete_experiment(run.experiment_id)
    with pytest.raises(RefusedError, match="digits was deleted in") as caught:
        Tracking(tracking.store.parent).start("digits", "run", tmp_path, {})
    assert f"mlflow experiments restore --experiment-id {run.experiment_id}" in str(caught.value)


def test_a_deleted_run_is_restored_when_its_job_goes_on(tracking: Tracking, tmp_path: Path) -> None:
    run = tracking.start("digits", "run", tmp_path, {})
    tracking.discard(run.run_id)
    tracking.resume(run.run_id)
    info = MlflowClient(tracking.uri).get_run(run.run_id).info
    assert (info.lifecycle_stage, info.status) == ("active", "RUNNING")


def test_the_reason_of_a_failed_job_is_its_description_until_the_job_resumes(
    tracking: Tracking, tmp_path: Path
) -> None:
    client = MlflowClient(tracking.uri)
    run = tracking.start("digits", "run", tmp_path, {}).run_id

    def note() -> str | None:
        return client.get_run(run).data.tags.get("mlflow.note.content")

    tracking.end(run, JobStatus.CANCELED, "cut at interval 2: 0.1 < 0.5")
    assert note() == "Canceled: cut at interval 2: 0.1 < 0.5"
    tracking.resume(run)
    assert note() is None
    client.set_tag(run, "mlflow.note.content", "the script's own text")
    tracking.end(run, JobStatus.FAILED, "exit code 1")
    tracking.resume(run)
    assert note() == "the script's own text"


def test_a_damaged_store_is_not_taken_for_a_deleted_run(tracking: Tracking, tmp_path: Path) -> None:
    run = tracking.start("digits", "run", tmp_path, {})
    tracking.forget("0" * 32)
    with connected(tracking.store) as connection:
        connection.execute("ALTER TABLE runs RENAME TO lost")
    with pytest.raises(OutputsError, match="no such table: runs"):
        tracking.forget(run.run_id)


def test_a_run_that_its_job_never_knew_of_is_put_aside(tracking: Tracking, tmp_path: Path) -> None:
    tags = {"azureml.job": "sweep_1"}
    stray = tracking.start("digits", "sweep_1", tmp_path, tags)
    other = tracking.start("digits", "sweep_2", tmp_path, {"azureml.job": "sweep_2"})
    run = tracking.start("digits", "sweep_1", tmp_path, tags)
    client = MlflowClient(tracking.uri)
    found = [client.get_run(one.run_id).info for one in (stray, other, run)]
    assert [(info.lifecycle_stage, info.status) for info in found] == [
        ("deleted", "KILLED"),
        ("active", "RUNNING"),
        ("active", "RUNNING"),
    ]
