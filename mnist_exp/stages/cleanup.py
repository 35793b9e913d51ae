"""stage=cleanup: delete the endpoint, after showing what is deployed behind it."""

from mnist_exp.config import Stage
from mnist_exp.errors import NotFoundError
from mnist_exp.records import Record
from mnist_exp.stages.context import StageContext
from mnist_exp.stages.deploy import endpoint_entry
from mnist_exp.stages.lookup import deployed_endpoint

__all__ = ["CleanupStage"]


class CleanupStage:
    """Deletes the endpoint and all that runs for it."""

    stage = Stage.cleanup

    def faults(self, context: StageContext) -> list[str]:
        """There must be an endpoint."""
        try:
            context.workspace.get_endpoint(deployed_endpoint(context))
        except NotFoundError as error:
            return list(error.lines)
        return []

    def name(self, context: StageContext) -> str:
        """Return the endpoint's name."""
        return deployed_endpoint(context)

    def run(self, context: StageContext, record: Record) -> Record:
        """Show the deployments, then delete the endpoint and wait for that."""
        endpoint = context.workspace.get_endpoint(record.name)
        for deployment in endpoint.deployments:
            percent = endpoint.traffic.get(deployment.name, 0)
            context.display.message(
                f"deletes deployment {deployment.name} ({deployment.model}, {percent} % of the "
                f"traffic, {deployment.provisioning_state})"
            )
        context.workspace.delete_endpoint(record.name)
        return record.with_changes(endpoint=endpoint_entry(endpoint))
