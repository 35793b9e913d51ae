"""Read metrics and parameters of jobs from the workspace's MLflow server, with azureml-mlflow."""

from typing import Any

from azureml.mlflow._internal.service_context_loader import _AzureMLServiceContextLoader
from azureml.mlflow._internal.utils import ServiceContext
from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.exceptions import MlflowException
from mlflow.tracking._tracking_service.utils import _tracking_store_registry

from mnist_exp.errors import ServiceError
from mnist_exp.metrics import MetricPoint
from mnist_exp.workspaces.azure.error_mapping import error_text
from mnist_exp.workspaces.azure.retries import RetryPolicy
from mnist_exp.workspaces.azure.sdk_output import quiet
from mnist_exp.workspaces.azure.workspace_client import WorkspaceClient

# MLflow registers the stores of plugins only when MLflow is imported. Register the stores again,
# because an earlier import of MLflow in this process may not have found azureml-mlflow.
_registry: Any = _tracking_store_registry
_registry.register_entrypoints()


class RunMetrics:
    """Reader of MLflow runs. The MLflow client is created on first use."""

    def __init__(self, client: WorkspaceClient, retries: RetryPolicy) -> None:
        self._client = client
        self._retries = retries
        self._mlflow: MlflowClient | None = None

    def run(self, name: str) -> Run | None:
        """Return the MLflow run of a job, or None if the job has no MLflow run yet."""
        try:
            with quiet():
                return self._opened().get_run(name)
        except MlflowException as error:
            if error.error_code == "RESOURCE_DOES_NOT_EXIST":
                return None
            raise _failed(error) from error

    def histories(self, run: Run) -> dict[str, list[MetricPoint]]:
        """Return every log event of each metric of a run, in the order of logging."""
        return {name: self._history(run.info.run_id, name) for name in sorted(run.data.metrics)}

    def _history(self, run_id: str, name: str) -> list[MetricPoint]:
        try:
            with quiet():
                points = self._opened().get_metric_history(run_id, name)
        except MlflowException as error:
            raise _failed(error) from error
        ordered = sorted(points, key=lambda point: (point.timestamp, point.step))
        return [MetricPoint(name, point.value, point.step) for point in ordered]

    def _opened(self) -> MlflowClient:
        if self._mlflow is None:
            client = self._client
            workspace = self._retries.call(
                "workspace",
                lambda: client.sdk.workspaces.get(client.workspace_name),
            )
            uri = str(workspace.mlflow_tracking_uri)
            # Without this context, the plugin would not sign in with the config's credential.
            context = ServiceContext(
                host_url="https://" + uri.removeprefix("azureml://").partition("/")[0],
                subscription_id=client.subscription_id,
                workspace_name=client.workspace_name,
                resource_group_name=client.resource_group,
                auth=client.credential,
            )
            _AzureMLServiceContextLoader.add_service_context(uri, context)
            self._mlflow = MlflowClient(tracking_uri=uri, registry_uri=uri)
        return self._mlflow


def _failed(error: MlflowException) -> ServiceError:
    return ServiceError(f"metrics: the workspace's MLflow server failed: {error_text(error)}")
