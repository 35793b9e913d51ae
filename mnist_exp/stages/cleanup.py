"""stage=cleanup: delete the endpoint, or only the deployment that the command line names."""

from collections.abc import Mapping
from functools import cached_property
from typing import Any

from mnist_exp.config import Stage
from mnist_exp.errors import MnistExpError, NotFoundError
from mnist_exp.records import Record
from mnist_exp.results import Endpoint
from mnist_exp.stages.context import StageContext, StageRunner
from mnist_exp.stages.deploy import endpoint_entry
from mnist_exp.stages.earlier_records import (
    deployed_endpoint,
    endpoint_faults,
    existing_endpoint,
    named_deployment,
    names_endpoint,
)
from mnist_exp.traffic import deletion_fault


class CleanupStage(StageRunner):
    """The stage that deletes the endpoint, and with `delete_on_cleanup` other resources."""

    stage = Stage.cleanup

    def faults(self) -> list[str]:
        """Return a message if the command line names a missing endpoint or deployment.

        Also return a message if Azure would refuse the deletion.
        """
        if (deployment := named_deployment(self.context)) is not None:
            return self._deployment_faults(deployment)
        is_optional = deletes_more(self.context) or not names_endpoint(self.context)
        return [] if is_optional else endpoint_faults(self.context)

    @cached_property
    def name(self) -> str:
        """The endpoint's name, or the compute target's name if no endpoint exists.

        If the stage deletes only a deployment, the name is `ENDPOINT/DEPLOYMENT`.
        """
        deployment = named_deployment(self.context)
        try:
            endpoint = deployed_endpoint(self.context)
            return endpoint if deployment is None else f"{endpoint}/{deployment}"
        except NotFoundError:
            return self.context.config.compute.name

    def run(self, record: Record) -> Record:
        """Delete the endpoint or the deployment, and print the resources that still cost money.

        With `compute.delete_on_cleanup=true`, also delete the compute target. With
        `env.delete_on_cleanup=true`, also delete the saved Python environments.
        """
        context = self.context
        deployment = named_deployment(context)
        if deployment is None:
            record = self._delete_endpoint(record)
        else:
            record = self._delete_deployment(record, deployment)
        compute = context.config.compute
        if compute.delete_on_cleanup and context.workspace.delete_compute(compute.name):
            context.display.message(f"deleted compute {compute.name}")
        if context.config.env.delete_on_cleanup:
            lines = list(context.workspace.delete_environments())
            for line in lines or ["no Python environment is saved"]:
                context.display.message(line)
        costs = self._costs()
        for line in costs:
            context.display.message(line)
        return record.with_changes(warnings=costs)

    def _costs(self) -> list[str]:
        """Return a line for each resource that costs money, or a warning."""
        try:
            return list(self.context.workspace.costs())
        except MnistExpError as error:
            # The endpoint is deleted, even if the other resources cannot be listed.
            return [f"costs: the resources that cost money cannot be listed: {error}"]

    def _deployment_faults(self, deployment: str) -> list[str]:
        try:
            endpoint = existing_endpoint(self.context, deployment)
        except NotFoundError as error:
            return list(error.lines)
        known = [one.name for one in endpoint.deployments]
        fault = deletion_fault(
            endpoint.name, deployment, endpoint.traffic, endpoint.mirror_traffic, known
        )
        return [fault] if fault else []

    def _delete_deployment(self, record: Record, deployment: str) -> Record:
        name = deployed_endpoint(self.context)
        self.context.workspace.delete_deployment(name, deployment)
        self.context.display.message(
            f"deleted deployment {deployment}; endpoint {name} still exists"
        )
        return record.with_changes(
            endpoint=endpoint_entry(self.context.workspace.get_endpoint(name))
        )

    def _delete_endpoint(self, record: Record) -> Record:
        """Show the deployments, then delete the endpoint and wait until it is deleted."""
        try:
            endpoint = existing_endpoint(self.context)
        except NotFoundError:
            outputs = self.context.config.outputs_dir
            self.context.display.message(f"nothing to delete: no endpoint of {outputs} exists")
            return record
        for deployment in endpoint.deployments:
            percent = endpoint.traffic.get(deployment.name, 0)
            self.context.display.message(
                f"deleting deployment {deployment.name} ({deployment.model}, {percent} % of the "
                f"traffic, {deployment.provisioning_state})"
            )
        self.context.workspace.delete_endpoint(record.name)
        return record.with_changes(endpoint=_deleted_entry(endpoint))


def deletes_more(context: StageContext) -> bool:
    """Return whether the stage also deletes other resources, so that it needs no endpoint."""
    return context.config.compute.delete_on_cleanup or context.config.env.delete_on_cleanup


def _deleted_entry(endpoint: Endpoint) -> Mapping[str, Any]:
    """Return the entry for a deleted endpoint in a record, without addresses and traffic."""
    entry = endpoint_entry(endpoint)
    deployments = [
        {**deployment, "provisioning_state": "Deleted", "scoring_uri": None}
        for deployment in entry["deployments"]
    ]
    no_traffic: Mapping[str, Any] = {"scoring_uri": None, "traffic": {}, "mirror_traffic": {}}
    return {**entry, **no_traffic, "deployments": deployments}
