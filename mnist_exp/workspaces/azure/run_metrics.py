"""Read metrics and parameters of jobs from the workspace's MLflow server, with azureml-mlflow."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from mnist_exp.metrics import MetricPoint
from mnist_exp.workspaces.azure.network import cause_text
from mnist_exp.workspaces.azure.retries import RetryPolicy
from mnist_exp.workspaces.azure.sdk_output import quiet
from mnist_exp.workspaces.azure.workspace_client import WorkspaceClient

#: Environment variables that limit the seconds and the retries of one request of MLflow, with our
#: value and MLflow's default. With MLflow's defaults, a command would wait for minutes.
_PATIENCE = {
    "MLFLOW_HTTP_REQUEST_TIMEOUT": ("10", "120"),
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": ("1", "7"),
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": ("1", "2"),
}
#: Seconds without requests after a failed request. A failed request may take half a minute.
_PAUSE_S = 120


@dataclass(frozen=True)
class JobMetrics:
    """The data that a job logged to MLflow.

    Attributes:
        histories: Metric name -> every logged value, in the order of logging.
        parameters: Parameter name -> value.
        duration_s: Duration of the job in seconds; 0 if the job has not ended.
    """

    histories: dict[str, list[MetricPoint]] = field(default_factory=dict)
    parameters: dict[str, str] = field(default_factory=dict)
    duration_s: float = 0.0


class RunMetrics:
    """Reader of the jobs' metrics.

    A failed request for metrics must not hide the result of a job, because the status of the job
    comes from Azure's job service. Therefore `read` raises no error. After a failed request, the
    reader sends no request for `_PAUSE_S` seconds, unless the caller clears `fault`.

    Attributes:
        fault: The reason why the last request failed; empty if it succeeded.
    """

    def __init__(self, client: WorkspaceClient, retries: RetryPolicy) -> None:
        self.fault = ""
        self._failed_at = 0.0
        self._client = client
        self._retries = retries
        self._mlflow: Any = None

    def read(self, name: str) -> JobMetrics | None:
        """Return a job's metrics.

        Returns:
            The metrics; no metrics if the job has no MLflow run yet. None if the metrics cannot be
            read.
        """
        if self.fault and time.monotonic() - self._failed_at < _PAUSE_S:
            return None
        self.fault = ""
        try:
            with quiet(), limited_requests():
                return self._read(name)
        except Exception as error:
            # Many libraries take part in the request: MLflow, its plugin for Azure, requests and
            # azure-identity. No error of these libraries may hide the job's own result.
            self.fault, self._failed_at = cause_text(error), time.monotonic()
            return None

    def _read(self, name: str) -> JobMetrics:
        with self._retries.announced("reading the metrics from the workspace's MLflow server"):
            if self._mlflow is None:
                self._mlflow = self._opened()
            run = _none_if_missing(self._mlflow, name)
            if run is None:
                return JobMetrics()
            histories = {metric: self._history(name, metric) for metric in sorted(run.data.metrics)}
        return JobMetrics(histories, dict(run.data.params), _duration_s(run))

    def _history(self, run_id: str, metric: str) -> list[MetricPoint]:
        points = self._mlflow.get_metric_history(run_id, metric)
        ordered = sorted(points, key=lambda point: (point.timestamp, point.step))
        return [MetricPoint(metric, point.value, point.step) for point in ordered]

    def _opened(self) -> Any:
        # Import late, because the import of azureml-mlflow sends a request, which may fail.
        workspace = self._client.sdk.workspaces.get(self._client.workspace_name)
        from mnist_exp.workspaces.azure.tracking_client import tracking_client  # noqa: PLC0415

        return tracking_client(self._client, str(workspace.mlflow_tracking_uri))


@contextmanager
def limited_requests() -> Iterator[None]:
    """Limit the seconds and the retries of MLflow's requests in the block.

    The limits of the user's own environment variables take precedence. After the block, the
    variables have MLflow's defaults. They are never deleted: another thread may just read all
    variables, e.g. to look for a proxy, and would fail at a deleted variable.
    """
    changed = {
        name: (ours, default)
        for name, (ours, default) in _PATIENCE.items()
        if os.environ.get(name, default) in (ours, default)
    }
    os.environ.update({name: ours for name, (ours, _) in changed.items()})
    try:
        yield
    finally:
        os.environ.update({name: default for name, (_, default) in changed.items()})


def _none_if_missing(client: Any, name: str) -> Any:
    """Return the MLflow run of a job, or None if the job has no MLflow run yet."""
    from mlflow.exceptions import MlflowException  # noqa: PLC0415

    try:
        return client.get_run(name)
    except MlflowException as error:
        if error.error_code == "RESOURCE_DOES_NOT_EXIST":
            return None
        raise


def _duration_s(run: Any) -> float:
    if not run.info.end_time:
        return 0.0
    return max(0.0, float(run.info.end_time - run.info.start_time) / 1000)
