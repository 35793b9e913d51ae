"""Artifacts that a script logs with MLflow, beside the files that we save for the job."""

import warnings
from pathlib import Path

import pytest
from click.testing import CliRunner
from mlflow.entities import ViewType

from mnist_exp.errors import OutputsError
from mnist_exp.results import JobResult
from mnist_exp.specs import ModelSpec, PathInput
from mnist_exp.status import JobStatus
from mnist_exp.workspaces.local.tracking.store import Tracking
from tests.support.files import write_file
from tests.support.local_jobs import LocalJobs
from tests.support.small_jobs import description
from tests.support.watching import Watcher

#: Waits until the test has logged its artifacts.
WAITS = "until test -e outputs/logged; do sleep 0.01; done; cat {{inputs.digits}}/a"


class LoggingArtifacts(Watcher):
    """Logs artifacts to the run of a job while the job runs, as the job's script would."""

    def __init__(self, jobs: LocalJobs, *paths: str) -> None:
        super().__init__()
        self._jobs = jobs
        self._paths = paths

    def job_changed(self, job: JobResult) -> None:
        if job.status is JobStatus.RUNNING and self._paths:
            run_id = description(self._jobs.folder(job.name))["mlflow_run_id"]
            for path in self._paths:
                self._jobs.client.log_text(run_id, f"text of {path}", path)
            self._paths = ()
            (self._jobs.folder(job.name) / "outputs" / "logged").touch()


def input_folder(tmp_path: Path) -> PathInput:
    (tmp_path / "digits").mkdir()
    (tmp_path / "digits" / "a").write_text("printed")
    return PathInput(tmp_path / "digits")


@pytest.mark.parametrize("folder", ["wd", "logs", "code", "inputs", "outputs", "named_outputs"])
def test_an_artifact_may_be_in_a_folder_of_any_name(
    jobs: LocalJobs, tmp_path: Path, folder: str
) -> None:
    jobs.watcher = LoggingArtifacts(jobs, f"{folder}/a.txt")
    result = jobs.run(WAITS, inputs={"digits": input_folder(tmp_path)})
    assert result.status is JobStatus.COMPLETED, jobs.log()
    run_id = jobs.tracked().info.run_id
    assert [entry.path for entry in jobs.client.list_artifacts(run_id, folder)].count(
        f"{folder}/a.txt"
    )
    found = jobs.client.download_artifacts(run_id, f"{folder}/a.txt")
    assert Path(found).read_text() == f"text of {folder}/a.txt"


def test_artifacts_replace_none_of_our_files(jobs: LocalJobs, tmp_path: Path) -> None:
    names = [".lock", "job.json", "exit_code", "journal.jsonl", "user_logs/std_log.txt"]
    jobs.watcher = LoggingArtifacts(jobs, *names)
    jobs.run(WAITS, inputs={"digits": input_folder(tmp_path)})
    assert description(jobs.folder())["status"] == "Completed"
    assert jobs.log() == "printed"
    for name in names:
        found = jobs.client.download_artifacts(jobs.tracked().info.run_id, name)
        assert Path(found).read_text() == f"text of {name}"


def test_a_logged_artifact_can_be_registered(jobs: LocalJobs, tmp_path: Path) -> None:
    jobs.watcher = LoggingArtifacts(jobs, "my_model/weights.txt")
    jobs.run(WAITS, inputs={"digits": input_folder(tmp_path)})
    found = jobs.workspace.download("job", "my_model/weights.txt")
    assert found is not None
    assert found.read_text() == "text of my_model/weights.txt"


def run_mlflow(jobs: LocalJobs, *arguments: str) -> str:
    """Run MLflow's command line in this process, and return the output."""
    with warnings.catch_warnings():
        # The imports of MLflow's command line give warnings.
        warnings.simplefilter("ignore")
        from mlflow.cli import cli  # noqa: PLC0415

        done = CliRunner().invoke(cli, arguments, env={"MLFLOW_TRACKING_URI": jobs.uri})
    assert done.exit_code == 0, (done.output, done.exception)
    return done.output


def test_the_commands_of_mlflow_work_on_the_store(jobs: LocalJobs, tmp_path: Path) -> None:
    jobs.watcher = LoggingArtifacts(jobs, "my_model/weights.txt")
    jobs.run(WAITS, inputs={"digits": input_folder(tmp_path)})
    run = jobs.tracked().info
    assert f"{run.experiment_id} " in run_mlflow(jobs, "experiments", "search")
    run_mlflow(jobs, "experiments", "csv", "-x", run.experiment_id, "-o", str(tmp_path / "a.csv"))
    assert run.run_id in (tmp_path / "a.csv").read_text(encoding="utf-8")
    assert run.run_id in run_mlflow(jobs, "runs", "list", "--experiment-id", run.experiment_id)
    assert "azureml.job" in run_mlflow(jobs, "runs", "describe", "--run-id", run.run_id)
    of_run = ("--run-id", run.run_id)
    assert "user_logs" in run_mlflow(jobs, "artifacts", "list", *of_run)
    (tmp_path / "own.txt").write_text("own", encoding="utf-8")
    run_mlflow(
        jobs, "artifacts", "log-artifact", *of_run, "--local-file", str(tmp_path / "own.txt")
    )
    for path in ("own.txt", "my_model/weights.txt", "user_logs/std_log.txt"):
        found = run_mlflow(jobs, "artifacts", "download", *of_run, "--artifact-path", path)
        assert Path(found.split()[-1]).is_file()
    run_mlflow(jobs, "experiments", "rename", "-x", run.experiment_id, "--new-name", "other")
    run_mlflow(jobs, "experiments", "delete", "-x", run.experiment_id)
    run_mlflow(jobs, "experiments", "restore", "-x", run.experiment_id)
    run_mlflow(jobs, "runs", "delete", *of_run)
    run_mlflow(jobs, "runs", "restore", *of_run)
    assert jobs.client.get_experiment(run.experiment_id).name == "other"
    assert jobs.tracked().info.lifecycle_stage == "active"


#: The module of a model of MLflow that returns the number of rows.
LOADER = "class Rows:\n    def predict(self, table):\n        return [len(table)]\n\n"
LOADER += "def _load_pyfunc(path):\n    return Rows()\n"
MODEL = "flavors: {python_function: {loader_module: rows_loader, code: code}}\n"


def test_mlflow_and_its_ui_use_a_model_that_the_workspace_registered(
    jobs: LocalJobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # MLflow's server changes the global store of this process. Restore it after the test.
    monkeypatch.setattr("mlflow.tracking._tracking_service.utils._tracking_uri", None)
    jobs.run("mkdir -p outputs/model/code")
    saved = jobs.folder() / "artifacts" / "outputs" / "model"
    write_file(saved / "code" / "rows_loader.py", LOADER)
    write_file(saved / "MLmodel", MODEL)
    jobs.workspace.register_model(ModelSpec("digits", "job", "outputs/model", "mlflow_model"))
    request = tmp_path / "request.json"
    request.write_text('{"dataframe_split": {"columns": ["a"], "data": [[1], [2]]}}')
    own = ("-i", str(request), "-o", str(tmp_path / "answer.json"), "--env-manager", "local")
    run_mlflow(jobs, "models", "predict", "-m", "models:/digits/1", *own)
    assert (tmp_path / "answer.json").read_text() == '{"predictions": [2]}'

    monkeypatch.setenv("_MLFLOW_SERVER_FILE_STORE", jobs.uri)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from mlflow.server import app  # noqa: PLC0415
    browser = app.test_client()
    run_id = jobs.tracked().info.run_id
    listed = browser.get(f"/ajax-api/2.0/mlflow/artifacts/list?run_id={run_id}").json["files"]
    assert {"path": "user_logs", "is_dir": True} in listed
    (version,) = browser.get("/ajax-api/2.0/mlflow/model-versions/search").json["model_versions"]
    assert (version["name"], version["run_id"]) == ("digits", run_id)


def test_mlflow_gc_deletes_the_artifacts_of_deleted_runs_only(jobs: LocalJobs) -> None:
    stray_folder = jobs.outputs / "jobs" / "second"
    stray_folder.mkdir(parents=True)
    tags = {"azureml.job": "second"}
    stray = Tracking(jobs.outputs).start("experiment", "second", stray_folder, tags)
    jobs.run("echo 1 > outputs/a", "first")
    jobs.run("echo 2 > outputs/a", "second")
    jobs.client.delete_run(jobs.tracked("first").info.run_id)
    assert jobs.client.get_run(stray.run_id).info.lifecycle_stage == "deleted"

    # The option --tracking-uri would change the store of all later tests.
    run_mlflow(jobs, "gc", "--backend-store-uri", jobs.uri)
    assert not (jobs.folder("first") / "artifacts").exists()
    # Both runs with the name `second` had the same job's folder.
    assert (jobs.folder("second") / "outputs" / "a").read_text() == "2\n"
    both = ViewType.ALL
    kept = jobs.client.search_runs([stray.experiment_id], run_view_type=both)
    assert [run.info.run_name for run in kept] == ["second"]

    with pytest.raises(OutputsError, match="not found; run the job again"):
        jobs.workspace.register_model(ModelSpec("model", "first", "outputs/a"))
