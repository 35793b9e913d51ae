"""stage=deploy: an endpoint, a deployment of the registered model, then the traffic."""

import secrets
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from mnist_exp.build import deployment_spec, endpoint_spec
from mnist_exp.config import Stage
from mnist_exp.errors import NotFoundError
from mnist_exp.records import Record
from mnist_exp.stages.again import begun_endpoint
from mnist_exp.stages.context import StageContext
from mnist_exp.stages.lookup import deployed_endpoint, registered_model
from mnist_exp.workspaces.base import Endpoint

__all__ = ["DeployStage", "endpoint_entry"]


#: A request body that the trainer leaves beside the model.
EXAMPLE = "input_example.json"


class DeployStage:
    """Creates the endpoint and the deployment, and gives it traffic."""

    stage = Stage.deploy

    def faults(self, context: StageContext) -> list[str]:
        """There must be a model, a free port, and the endpoint that is to be used again."""
        found: list[str] = []
        for needed in (registered_model, self.name):
            try:
                needed(context)
            except NotFoundError as error:
                found += error.lines
        return found

    def name(self, context: StageContext) -> str:
        """Return the endpoint's name, new unless one is named or used again."""
        endpoint = context.config.endpoint
        if endpoint.name is not None:
            return endpoint.name
        if endpoint.reuse:
            return deployed_endpoint(context)
        if begun := begun_endpoint(context):
            return begun
        return f"{endpoint.name_prefix}{secrets.token_hex(4)}"

    def run(self, context: StageContext, record: Record) -> Record:
        """Make endpoint and deployment, then set the traffic."""
        workspace, config = context.workspace, context.config
        model = registered_model(context).model or {}
        deployment = config.endpoint.deployment.name
        current = self._endpoint(context, record.name)
        context.display.message(f"endpoint {current.name}: {current.provisioning_state}")
        spec = deployment_spec(config, record.name, f"{model['name']}:{model['version']}")
        made = workspace.create_or_update_deployment(spec)
        context.display.message(f"deployment {made.name}: {made.provisioning_state}")
        traffic = config.endpoint.traffic or {deployment: 100}
        endpoint = workspace.create_or_update_endpoint(endpoint_spec(config, record.name, traffic))
        example = workspace.download(model["job"], f"{config.registration.path}/{EXAMPLE}")
        paths = {"log": made.log, "keys": endpoint.keys, "request": example and str(example)}
        return record.with_changes(
            model=model,
            endpoint=endpoint_entry(endpoint),
            paths={name: path for name, path in paths.items() if path},
        )

    def _endpoint(self, context: StageContext, name: str) -> Endpoint:
        """Return the endpoint as it is, made first if there is none."""
        try:
            found = context.workspace.get_endpoint(name)
            # One that was cut short is finished by the same call that made it.
            if found.provisioning_state == "Succeeded":
                return found
        except NotFoundError:
            pass

        return context.workspace.create_or_update_endpoint(endpoint_spec(context.config, name))


def endpoint_entry(endpoint: Endpoint) -> Mapping[str, Any]:
    """Return what a record says of an endpoint; its keys are never part of it."""
    return {
        "name": endpoint.name,
        "scoring_uri": endpoint.scoring_uri,
        "traffic": dict(endpoint.traffic),
        "deployments": [asdict(deployment) for deployment in endpoint.deployments],
    }
