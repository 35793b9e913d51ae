"""Models that a script logged with MLflow: their registration, and their deployment."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.entities import LoggedModelOutput, LoggedModelStatus
from mlflow.entities.model_registry import ModelVersion

from mnist_exp.errors import JobError, NotFoundError
from mnist_exp.results import RegisteredModel
from mnist_exp.specs import ModelSpec
from mnist_exp.status import JobStatus
from mnist_exp.workspaces.local.tracking.sources import choices
from mnist_exp.workspaces.local.tracking.store import Tracking
from tests.support.local_jobs import LocalJobs

LogModel = Callable[..., Path]
PARENT = "mlflow.parentRunId"


@pytest.fixture
def log_model(jobs: LocalJobs) -> LogModel:
    """Run a job, and return a function that logs a model as `mlflow.<flavor>.log_model` does."""
    jobs.run("true")
    info = jobs.tracked().info

    def log(
        name: str, text: str = "", *, is_ready: bool = True, run: str = "", step: int = 0
    ) -> Path:
        model = jobs.client.create_logged_model(info.experiment_id, name, run or info.run_id)
        output = LoggedModelOutput(model.model_id, step)
        jobs.client.log_outputs(run or info.run_id, models=[output])
        folder = Path(model.artifact_location.removeprefix("file://").replace("%20", " "))
        folder = jobs.outputs / "mlartifacts" / Path(*folder.parts[-3:])
        folder.mkdir(parents=True)
        (folder / "MLmodel").write_text(text or name)
        ready, failed = LoggedModelStatus.READY, LoggedModelStatus.FAILED
        jobs.client.finalize_logged_model(model.model_id, ready if is_ready else failed)
        return folder

    return log


def register(jobs: LocalJobs, path: str | None = None, kind: str = "mlflow_model") -> Path:
    """Register a model of the job, and return the path that a deployment would use."""
    made = registered(jobs, path, kind)
    assert not made.notes
    assert jobs.workspace.find_model("digits") == replace(made, notes=())
    return Path(made.path)


def registered(
    jobs: LocalJobs, path: str | None = None, kind: str = "mlflow_model"
) -> RegisteredModel:
    return jobs.workspace.register_model(ModelSpec("digits", "job", path, kind))


def test_the_only_logged_model_is_registered(jobs: LocalJobs, log_model: LogModel) -> None:
    log_model("broken", is_ready=False)
    folder = log_model("dense")
    assert register(jobs) == folder
    version = jobs.client.get_model_version("digits", "1")
    assert version.run_id == jobs.tracked().info.run_id
    assert version.tags == {"azureml.job": "job", "azureml.type": "mlflow_model"}


def test_the_result_of_a_job_names_its_logged_models(jobs: LocalJobs, log_model: LogModel) -> None:
    for name in ("dense", "cnn", "dense"):
        log_model(name)
    log_model("broken", is_ready=False)
    tracking = Tracking(jobs.outputs)
    found = tracking.end(jobs.tracked().info.run_id, JobStatus.COMPLETED)
    assert list(choices(found.models)) == ["dense", "cnn"]


def test_a_model_of_a_nested_run_is_registered(jobs: LocalJobs, log_model: LogModel) -> None:
    job = jobs.tracked().info
    parents, folders = [job.run_id], []
    for name in ("fold", "inner"):
        child = jobs.client.create_run(job.experiment_id, tags={PARENT: parents[-1]})
        parents.append(child.info.run_id)
        folders.append(log_model(name, run=child.info.run_id))
    stranger = jobs.client.create_run(job.experiment_id).info.run_id
    log_model("stranger", run=stranger)
    found = Tracking(jobs.outputs).end(job.run_id, JobStatus.COMPLETED)
    assert list(choices(found.models)) == ["fold", "inner"]
    assert register(jobs, "inner") == folders[1]
    own = log_model("fold")
    log_model("fold", run=parents[1])
    assert registered(jobs, "fold").path == str(own)


def test_models_of_one_name_in_several_nested_runs_are_chosen_by_id(
    jobs: LocalJobs, log_model: LogModel
) -> None:
    job, folders = jobs.tracked().info, []
    for name in ("fold 1", "fold 2"):
        child = jobs.client.create_run(job.experiment_id, tags={PARENT: job.run_id}, run_name=name)
        folders += [log_model("fold", run=child.info.run_id, step=step) for step in (0, 1)]
    first, last = folders[1].parent.name, folders[3].parent.name
    found = Tracking(jobs.outputs).end(job.run_id, JobStatus.COMPLETED)
    assert list(choices(found.models)) == [first, last]
    listed = rf"\(fold {first} \(step 1, run fold 1\), fold {last} \(step 1, run fold 2\)\)"
    for path in (None, "fold"):
        with pytest.raises(JobError, match=rf"{listed}.*; add e\.g\. registration\.path={first}$"):
            register(jobs, path)
    assert register(jobs, last) == folders[3]
    assert register(jobs, f"models:/{folders[0].parent.name}") == folders[0]


def test_of_models_of_one_name_the_largest_step_is_registered_with_a_note(
    jobs: LocalJobs, log_model: LogModel
) -> None:
    cnn = log_model("cnn")
    older, largest, newest = (log_model("dense", step=step) for step in (0, 2, 1))
    chosen = registered(jobs, "dense")
    assert chosen.path == str(largest)
    ids = [folder.parent.name for folder in (older, largest, newest)]
    assert chosen.notes == [
        f"job job logged 3 models with the name dense: {ids[0]} (step 0), {ids[1]} (step 2), "
        f"{ids[2]} (step 1); chose {ids[1]}, the newest model with the largest step; to register "
        "another model, use registration.path=ID"
    ]
    last = log_model("dense", step=2)
    assert registered(jobs, "dense").path == str(last)
    assert register(jobs, ids[0]) == older
    shutil.rmtree(cnn)
    with pytest.raises(JobError, match=r"^registration\.path: the files of the logged model cnn"):
        register(jobs, "cnn")


@pytest.mark.parametrize(
    ("path", "kind", "message"),
    [
        (None, "mlflow_model", r"^registration\.path: must be the name .* \(dense, cnn\), or a "),
        ("dens", "mlflow_model", r"^registration\.path: .*\(dense, cnn\), .* got dens; add e\.g\."),
        (None, "custom_model", r"^registration\.path: .* got outputs/model; .*MLflow: dense, cnn;"),
    ],
)
def test_several_logged_models_are_listed(
    jobs: LocalJobs, log_model: LogModel, path: str | None, kind: str, message: str
) -> None:
    log_model("dense")
    log_model("cnn")
    with pytest.raises(JobError, match=message) as caught:
        register(jobs, path, kind)
    assert len(caught.value.lines) == 1


def test_a_saved_folder_comes_before_a_logged_model(jobs: LocalJobs, log_model: LogModel) -> None:
    log_model("dense")
    saved = jobs.folder() / "artifacts" / "outputs" / "model"
    saved.mkdir()
    assert register(jobs) == saved


def register_with_mlflow(client: MlflowClient, source: str, run_id: str) -> ModelVersion:
    """Register a model as `mlflow.register_model` does."""
    client.create_registered_model("theirs")
    return client.create_model_version("theirs", source, run_id)


def test_a_model_that_mlflow_registered_is_found(
    jobs: LocalJobs, log_model: LogModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = log_model("dense")
    # MLflow reads the logged model from its global store, which an earlier test may have set.
    monkeypatch.setattr("mlflow.tracking._tracking_service.utils._tracking_uri", jobs.uri)
    run_id = jobs.tracked().info.run_id
    register_with_mlflow(jobs.client, f"models:/{folder.parent.name}", run_id)
    found = jobs.workspace.find_model("theirs")
    assert found is not None
    assert (found.version, found.type, found.job) == ("1", "mlflow_model", "job")
    assert (Path(found.path), found.logged_name) == (folder, "dense")
    assert jobs.workspace.find_model("theirs", "1") == found
    assert jobs.workspace.find_model("theirs", "2") is None
    assert jobs.workspace.find_model("nobody's") is None
    for number, source in (("2", str(folder)), ("3", f"runs:/{run_id}/dense")):
        jobs.client.create_model_version("theirs", source, run_id)
        assert jobs.workspace.find_model("theirs") == replace(found, version=number)
    jobs.client.delete_model_version("theirs", "3")
    jobs.client.delete_model_version("theirs", "2")
    assert jobs.workspace.find_model("theirs", "2") is None
    assert jobs.workspace.find_model("theirs") == found
    shutil.rmtree(folder)
    with pytest.raises(NotFoundError, match=r"^run: the files of model theirs:1 must be .* name"):
        jobs.workspace.find_model("theirs")


def test_an_artifact_that_mlflow_registered_is_found(jobs: LocalJobs) -> None:
    jobs.run("mkdir outputs/tree; touch outputs/tree/MLmodel")
    run = jobs.tracked().info
    register_with_mlflow(jobs.client, f"{run.artifact_uri}/outputs/tree", run.run_id)
    found = jobs.workspace.find_model("theirs")
    assert found is not None
    assert Path(found.path).samefile(jobs.folder() / "outputs" / "tree")
    assert (found.type, found.logged_name) == ("mlflow_model", "")
