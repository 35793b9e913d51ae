"""Create the MLflow client of the workspace's tracking service.

If the environment variable ARM_CLOUD_METADATA_URL is set, the import of azureml-mlflow sends a
request, which may fail. Therefore only the function `RunMetrics.read` imports this module.
"""

from azureml.mlflow._internal.service_context_loader import _AzureMLServiceContextLoader
from azureml.mlflow._internal.utils import ServiceContext
from mlflow import MlflowClient
from mlflow.tracking._tracking_service.utils import _tracking_store_registry

from mnist_exp.workspaces.azure.workspace_client import WorkspaceClient

# MLflow registers the stores of plugins only when MLflow is imported. Register the stores again,
# because an earlier import of MLflow in this process may not have found azureml-mlflow.
_tracking_store_registry.register_entrypoints()  # type: ignore[no-untyped-call]


def tracking_client(client: WorkspaceClient, uri: str) -> MlflowClient:
    """Return an MLflow client that signs in with the credential of the workspace's client.

    Args:
        client: The client of the workspace.
        uri: The workspace's MLflow tracking URI.
    """
    # Without this context, the plugin would not sign in with the config's credential.
    context = ServiceContext(
        host_url="https://" + uri.removeprefix("azureml://").partition("/")[0],
        subscription_id=client.subscription_id,
        workspace_name=client.workspace_name,
        resource_group_name=client.resource_group,
        auth=client.credential,
    )
    _AzureMLServiceContextLoader.add_service_context(uri, context)
    return MlflowClient(tracking_uri=uri, registry_uri=uri)
