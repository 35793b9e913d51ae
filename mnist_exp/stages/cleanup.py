"""stage=cleanup: delete the endpoint, after showing what is deployed behind it."""

from typing import Any

from mnist_exp.config import Stage
from mnist_exp.records import Record
from mnist_exp.stages.context import StageContext
from mnist_exp.stages.deploy import endpoint_entry
from mnist_exp.stages.lookup import deployed_endpoint, missing_endpoint

__all__ = ["CleanupStage"]


class CleanupStage:
    """Deletes the endpoint and all that runs for it."""

    stage = Stage.cleanup

    def faults(self, context: StageContext) -> list[str]:
        """There must be an endpoint."""
        return missing_endpoint(context)

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
        # What nobody can call any more has neither address nor traffic.
        gone: dict[str, Any] = {"scoring_uri": None, "traffic": {}, "mirror_traffic": {}}
        states = [
            {**one, "provisioning_state": "Deleted", "scoring_uri": None}
            for one in endpoint_entry(endpoint)["deployments"]
        ]
        entry = {**endpoint_entry(endpoint), **gone, "deployments": states}
        return record.with_changes(endpoint=entry)
