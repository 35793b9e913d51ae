"""The files of jobs that have ended, and their deletion."""

from pathlib import Path

import pytest

from mnist_exp.errors import RefusedError
from mnist_exp.specs import ModelSpec
from mnist_exp.workspaces.local.jobs.folder import JobFolder
from mnist_exp.workspaces.local.tracking.store import Tracking
from mnist_exp.workspaces.local.workspace import LocalWorkspace
from tests.support.small_jobs import command_job
from tests.support.watching import Watcher

SAVE = "mkdir outputs/model && echo 1234567 > outputs/model/weights"


def test_a_job_is_deleted_with_its_mlflow_run(
    workspace: LocalWorkspace, outputs: Path, tracking: Tracking
) -> None:
    for name in ("kept", "gone", "collected"):
        workspace.watch(workspace.submit(command_job(SAVE, name)), Watcher())
    workspace.register_model(ModelSpec("digits", "kept", "outputs/model"))
    (kept,) = workspace.stored_jobs("kept")
    (gone,) = workspace.stored_jobs("gone")
    assert (kept.model, gone.model) == ("digits:1", "")
    assert gone.size > 8
    assert gone.files >= 3
    folders = {name: JobFolder(outputs / "jobs", name) for name in ("kept", "gone", "collected")}
    runs = {name: folder.run_id for name, folder in folders.items()}
    with folders["gone"].locked(), pytest.raises(RefusedError, match="another command is running"):
        workspace.delete_job("gone")
    # The user may have deleted the run with MLflow.
    tracking.discard(runs["collected"])

    for name in ("gone", "collected"):
        workspace.delete_job(name)
        # A killed command can be repeated.
        workspace.delete_job(name)

    assert [path.name for path in (outputs / "jobs").iterdir()] == ["kept"]
    active = {run.info.run_id for run in tracking._client.search_runs(["1", "2"])}
    assert active & set(runs.values()) == {runs["kept"]}
    assert {path.name for path in (outputs / "mlartifacts").iterdir()} >= {runs["kept"]}
    assert not (outputs / "mlartifacts" / runs["gone"]).is_symlink()


def test_the_trials_of_a_sweep_are_found(workspace: LocalWorkspace, outputs: Path) -> None:
    for name in ("sweep", "sweep_0", "sweep_10", "sweep_x", "sweep_0_1", "other_0"):
        (outputs / "jobs" / name / "user_logs").mkdir(parents=True)
        (outputs / "jobs" / name / "user_logs" / "std_log.txt").write_text("log")
    found = {job.name: (job.size, job.files) for job in workspace.stored_jobs("sweep")}
    assert found == dict.fromkeys(["sweep", "sweep_0", "sweep_10"], (3, 1))
    assert workspace.stored_jobs("unknown") == []
