"""What a command resumes: the unfinished job that it names, or what an earlier command began."""

import shlex

import pytest

from mnist_exp.config import Stage
from mnist_exp.errors import NotFoundError
from mnist_exp.specs import EndpointSpec
from mnist_exp.stages.resume import (
    CONFIG_NAME,
    UnfinishedJob,
    unfinished_endpoint,
    unfinished_job,
)
from mnist_exp.status import JobStatus
from mnist_exp.workspaces.base import BY_THE_USER
from mnist_exp.workspaces.local.workspace import LocalWorkspace
from tests.support.configs import config
from tests.support.recorded_outputs import RecordedOutputs

UNFINISHED = [JobStatus.FAILED, JobStatus.CANCELED, JobStatus.RUNNING]


def resumed(outputs: RecordedOutputs, stage: Stage, *overrides: str) -> UnfinishedJob:
    job = unfinished_job(outputs.config(stage, *overrides), outputs.index)
    assert job is not None
    return job


def keep_configs(outputs: RecordedOutputs, stage: Stage) -> None:
    for _, folder in outputs.index.newest_first(stage):
        (folder / CONFIG_NAME).touch()


@pytest.mark.parametrize("stage", [Stage.train, Stage.sweep, Stage.register])
def test_a_command_that_names_no_job_resumes_none(outputs: RecordedOutputs, stage: Stage) -> None:
    assert unfinished_job(outputs.config(stage), outputs.index) is None


def test_run_names_no_job_to_resume_in_other_stages(outputs: RecordedOutputs) -> None:
    for stage in (Stage.register, Stage.deploy, Stage.all):
        assert unfinished_job(outputs.config(stage, "run=x"), outputs.index) is None


# Training runs.


@pytest.mark.parametrize("status", UNFINISHED)
def test_an_unfinished_training_run_is_resumed(outputs: RecordedOutputs, status: JobStatus) -> None:
    outputs.add(Stage.train, "t", status)
    job = resumed(outputs, Stage.train, "run=t")
    assert (job.record.name, job.record.status, job.config_path) == ("t", status, None)


def test_a_training_run_is_resumed_with_its_newest_kept_config(outputs: RecordedOutputs) -> None:
    for status in (JobStatus.RUNNING, JobStatus.CANCELED, JobStatus.FAILED):
        outputs.add(Stage.train, "t", status)
    newest, second, first = [folder for _, folder in outputs.index.newest_first(Stage.train)]
    assert resumed(outputs, Stage.train, "run=t").folder == newest
    for folder in (first, second):
        (folder / CONFIG_NAME).touch()
    job = resumed(outputs, Stage.train, "run=t")
    assert (job.record.status, job.folder) == (JobStatus.FAILED, second)


def test_a_completed_or_unknown_training_run_is_refused(outputs: RecordedOutputs) -> None:
    outputs.add(Stage.train, "t", paths={"folder": "/my jobs/t"})
    message = r"^run: must name .*, got t, which is Completed; to train it for more epochs, start "
    with pytest.raises(NotFoundError, match=message) as caught:
        resumed(outputs, Stage.train, "run=t")
    # The proposed command can be pasted.
    words = shlex.split(caught.value.lines[0].partition("a new run with ")[2].partition("; ")[0])
    job = config(*words[1:2], "model.epochs=30", words[3]).job
    path = "/my jobs/t/named_outputs/checkpoints"
    assert job.inputs["resume_from"] == {"type": "uri_folder", "path": path}
    with pytest.raises(NotFoundError, match=r"^run: no training run nobody in "):
        resumed(outputs, Stage.train, "run=nobody")


# Sweeps.


def test_the_newest_unfinished_sweep_is_the_last(outputs: RecordedOutputs) -> None:
    outputs.add(Stage.sweep, "killed", JobStatus.RUNNING)
    canceled = {"trials": [{"name": "canceled_0"}], "why": BY_THE_USER}
    outputs.add(Stage.sweep, "canceled", JobStatus.CANCELED, **canceled)
    outputs.add(Stage.sweep, "completed")
    outputs.add(Stage.sweep, "failed", JobStatus.FAILED, trials=[{"name": "failed_0"}])
    keep_configs(outputs, Stage.sweep)
    outputs.add(Stage.sweep, "without config", JobStatus.RUNNING)
    assert resumed(outputs, Stage.sweep, "resume=last").record.name == "canceled"
    assert resumed(outputs, Stage.sweep, "run=killed").record.name == "killed"
    for name in ("completed", "failed"):
        with pytest.raises(NotFoundError, match=f"^run: must name .*, got {name}, which has ended"):
            resumed(outputs, Stage.sweep, f"run={name}")


def test_a_sweep_that_a_later_command_completed_has_ended(outputs: RecordedOutputs) -> None:
    outputs.add(Stage.sweep, "s", JobStatus.RUNNING)
    outputs.add(Stage.sweep, "s", JobStatus.COMPLETED)
    keep_configs(outputs, Stage.sweep)
    with pytest.raises(NotFoundError, match=r"^run: no unfinished sweep in "):
        resumed(outputs, Stage.sweep, "resume=last")


# Endpoints.


@pytest.mark.external
@pytest.mark.parametrize("status", [JobStatus.FAILED, JobStatus.RUNNING])
def test_an_endpoint_without_a_completed_deployment_is_used_again(
    outputs: RecordedOutputs, status: JobStatus
) -> None:
    outputs.add(Stage.deploy, "begun", status, workspace="local")
    workspace = LocalWorkspace(outputs.path)
    context = outputs.context(Stage.deploy, opener=lambda: workspace)
    assert unfinished_endpoint(context) is None
    workspace.create_or_update_endpoint(EndpointSpec("begun"))
    try:
        assert unfinished_endpoint(context) == "begun"
    finally:
        workspace.delete_endpoint("begun")
    assert unfinished_endpoint(context) is None


def test_a_deployed_or_deleted_endpoint_is_not_used_again(outputs: RecordedOutputs) -> None:
    for status in (JobStatus.FAILED, JobStatus.COMPLETED, JobStatus.FAILED):
        outputs.add(Stage.deploy, "deployed", status, workspace="local")
    outputs.add(Stage.deploy, "deleted", JobStatus.FAILED, workspace="local")
    outputs.add(Stage.cleanup, "deleted", workspace="local")
    # Fails if the workspace is opened.
    assert unfinished_endpoint(outputs.context(Stage.deploy)) is None
