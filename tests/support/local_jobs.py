"""Jobs of a local workspace, with their folders and their MLflow runs."""

from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Run

from mnist_exp.results import JobResult
from mnist_exp.workspaces.local.workspace import LocalWorkspace
from tests.support.small_jobs import command_job, description
from tests.support.watching import Watcher


class LocalJobs:
    """Jobs of a workspace, with their folders and their MLflow runs."""

    def __init__(self, workspace: LocalWorkspace, outputs: Path, uri: str) -> None:
        self.workspace = workspace
        self.outputs = outputs
        self.uri = uri
        self.client = MlflowClient(tracking_uri=uri, registry_uri=uri)
        self.watcher = Watcher()

    def run(self, command: str, name: str = "job", **changes: object) -> JobResult:
        """Run a job to its end."""
        self.workspace.submit(command_job(command, name, **changes))
        return self.workspace.watch(name, self.watcher)

    def folder(self, name: str = "job") -> Path:
        """Return the folder of a job."""
        return self.outputs / "jobs" / name

    def tracked(self, name: str = "job") -> Run:
        """Return the MLflow run of a job."""
        return self.client.get_run(description(self.folder(name))["mlflow_run_id"])

    def log(self, name: str = "job") -> str:
        """Return the text that a job printed."""
        return (self.folder(name) / "user_logs" / "std_log.txt").read_text(encoding="utf-8")
