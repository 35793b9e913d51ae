"""stage=cleanup: delete the endpoint, after showing what is deployed behind it."""

from typing import Any

from mnist_exp.config import Stage
from mnist_exp.errors import NotFoundError
from mnist_exp.records import Record
from mnist_exp.stages.context import StageContext
from mnist_exp.stages.deploy import endpoint_entry
from mnist_exp.stages.earlier_records import deployed_endpoint, missing_endpoint


class CleanupStage:
    """Deletes the endpoint and all that runs for it; the compute target too, if asked."""

    stage = Stage.cleanup

    def faults(self, context: StageContext) -> list[str]:
        """There must be something to delete."""
        return [] if context.config.compute.delete_on_cleanup else missing_endpoint(context)

    def name(self, context: StageContext) -> str:
        """Return the endpoint's name; the compute target's where that alone is to be deleted."""
        try:
            return deployed_endpoint(context)
        except NotFoundError:
            return context.config.compute.name

    def run(self, context: StageContext, record: Record) -> Record:
        """Delete what there is, wait for that, and tell what still costs money."""
        record = self._delete_endpoint(context, record)
        compute = context.config.compute
        if compute.delete_on_cleanup and context.workspace.delete_compute(compute.name):
            context.display.message(f"deleted compute {compute.name}")
        left = list(context.workspace.costs())
        for line in left:
            context.display.message(f"still costs money: {line}")
        return record.with_changes(warnings=left)

    def _delete_endpoint(self, context: StageContext, record: Record) -> Record:
        """Show the deployments, then delete the endpoint and wait for that."""
        try:
            endpoint = context.workspace.get_endpoint(record.name)
        except NotFoundError:
            if not context.config.compute.delete_on_cleanup:
                raise
            return record
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
