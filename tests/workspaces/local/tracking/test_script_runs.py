"""MLflow runs that a job's script creates: nested runs, and further runs of the script."""

import json
from collections.abc import Sequence
from pathlib import Path

import mlflow
import pytest
from mlflow.entities import Run
from mlflow.exceptions import MlflowException
from mlflow.tracking import fluent

from mnist_exp.results import JobResult
from mnist_exp.status import JobStatus
from mnist_exp.workspaces.local.jobs.environment import JOB_RUN
from mnist_exp.workspaces.local.jobs.remedies import remedy
from mnist_exp.workspaces.local.processes.python_hook.sitecustomize import describe
from mnist_exp.workspaces.local.tracking.store import Tracking
from tests.support.local_jobs import LocalJobs
from tests.support.small_jobs import choice, command_job, sweep_job
from tests.support.watching import Watcher

#: Waits until the test has created the runs that the script would create.
WAITS = "until test -e outputs/logged; do sleep 0.01; done"


class CreatingRuns(Watcher):
    """Creates runs while jobs run, as their scripts would, and leaves the runs open.

    Args:
        jobs: The jobs.
        names: The names of the jobs.
        metrics: The metric of each new run. Each run is nested in the run before.
    """

    def __init__(self, jobs: LocalJobs, names: Sequence[str], *metrics: str) -> None:
        super().__init__()
        self._jobs = jobs
        self._names = [*names]
        self._metrics = metrics

    def job_changed(self, job: JobResult) -> None:
        for name in [one for one in self._names if (self._jobs.folder(one) / "outputs").exists()]:
            self._names.remove(name)
            info = self._jobs.tracked(name).info
            parent = info.run_id
            for metric in self._metrics:
                tags = {"mlflow.parentRunId": parent, "mlflow.runName": metric}
                run = self._jobs.client.create_run(info.experiment_id, tags=tags)
                self._jobs.client.log_metric(run.info.run_id, metric, 0.5)
                parent = run.info.run_id
            (self._jobs.folder(name) / "outputs" / "logged").touch()


def created(jobs: LocalJobs) -> dict[str, Run]:
    """Return the runs of the script, by name."""
    experiment = jobs.client.get_experiment_by_name("experiment")
    assert experiment
    runs = jobs.client.search_runs([experiment.experiment_id])
    return {str(run.info.run_name): run for run in runs if "azureml.job" not in run.data.tags}


@pytest.mark.parametrize(
    ("end", "status"), [("true", "FINISHED"), ("exit 3", "FAILED"), ("sleep 60", "KILLED")]
)
def test_nested_runs_end_with_their_job(jobs: LocalJobs, end: str, status: str) -> None:
    jobs.watcher = CreatingRuns(jobs, ["job"], "outer", "inner")
    result = jobs.run(f"{WAITS}; {end}", timeout=0 if status == "KILLED" else None)
    found = created(jobs)
    assert {name: run.info.status for name, run in found.items()} == {
        "outer": status,
        "inner": status,
    }
    assert result.metrics_of_script_runs == ["inner", "outer"]


def test_a_trial_that_logs_only_in_nested_runs_is_explained(jobs: LocalJobs) -> None:
    names = ["sweep_0", "sweep_1"]
    jobs.watcher = CreatingRuns(jobs, names, "score")
    jobs.workspace.submit(sweep_job(f"{WAITS}; true {{{{search_space.x}}}}", {"x": choice(1, 2)}))
    result = jobs.workspace.watch("sweep", jobs.watcher)
    (warning,) = result.warnings
    assert warning.startswith("trials 0, 1: 'score' was logged only to other MLflow runs than")


def test_a_further_run_of_a_script_has_the_tag_of_the_job(
    jobs: LocalJobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs.run("true")
    info = jobs.tracked().info
    monkeypatch.setenv("MLFLOW_RUN_CONTEXT", json.dumps({JOB_RUN: info.run_id}))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", jobs.uri)
    run = mlflow.start_run(experiment_id=info.experiment_id)
    mlflow.end_run("FAILED")
    jobs.client.update_run(run.info.run_id, status="RUNNING")
    Tracking(jobs.outputs).end(info.run_id, JobStatus.COMPLETED)
    assert jobs.client.get_run(run.info.run_id).info.status == "FINISHED"


def test_another_experiment_than_that_of_the_job_is_explained(
    jobs: LocalJobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs.run("true")
    info = jobs.tracked().info
    monkeypatch.setattr(fluent, "_active_experiment_id", None)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", jobs.uri)
    monkeypatch.setenv("MLFLOW_RUN_ID", info.run_id)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_ID", info.experiment_id)
    jobs.client.create_experiment("mine", artifact_location=str(jobs.outputs))
    mlflow.set_experiment("mine")
    with pytest.raises(MlflowException) as caught:
        mlflow.start_run()
    job = command_job("true")
    assert f"set experiment_name, which is {job.experiment_name}" in remedy(
        describe(caught.value), job
    )


def test_nested_runs_are_deleted_with_the_run_of_a_restarted_job(
    tracking: Tracking, jobs: LocalJobs, tmp_path: Path
) -> None:
    run = tracking.start("experiment", "job", tmp_path, {})
    tags = {"mlflow.parentRunId": run.run_id}
    nested = jobs.client.create_run(run.experiment_id, tags=tags).info.run_id
    tracking.discard(run.run_id)
    info = jobs.client.get_run(nested).info
    assert (info.lifecycle_stage, info.status) == ("deleted", "KILLED")
