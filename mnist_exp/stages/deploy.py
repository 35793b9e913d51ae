"""stage=deploy: an endpoint, a deployment of the registered model, then the traffic."""

import secrets
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from mnist_exp.build import deployment_spec, endpoint_spec
from mnist_exp.config import Stage
from mnist_exp.errors import JobError, NotFoundError
from mnist_exp.records import Record
from mnist_exp.stages.again import begun_endpoint
from mnist_exp.stages.context import StageContext
from mnist_exp.stages.lookup import deployed_endpoint, registered_model
from mnist_exp.stages.rollout import BlueGreen
from mnist_exp.workspaces.entities import Endpoint

__all__ = ["DeployStage", "endpoint_entry"]


#: A request body that the trainer leaves beside the model.
EXAMPLE = "input_example.json"


class DeployStage:
    """Creates the endpoint and the deployment, and gives it traffic.

    With `endpoint.regenerate_key`, and with a traffic that names only what is deployed already,
    nothing is deployed: the keys or the traffic are changed.
    """

    stage = Stage.deploy

    def faults(self, context: StageContext) -> list[str]:
        """There must be a model, unless none is deployed, and the endpoint that is to be used."""
        found: list[str] = []
        try:
            self.name(context)
            if self._changes_settings_alone(context):
                return []
        except NotFoundError as error:
            found += error.lines
        try:
            found += self._model_faults(context)
        except NotFoundError as error:
            found = [*error.lines, *found]
        return found

    def name(self, context: StageContext) -> str:
        """Return the endpoint's name, new unless one is named or used again."""
        endpoint = context.config.endpoint
        if endpoint.name is not None:
            return endpoint.name
        if endpoint.reuse or _is_about_others(context):
            return deployed_endpoint(context)
        if begun := begun_endpoint(context):
            return begun
        return f"{endpoint.name_prefix}{secrets.token_hex(4)}"

    def run(self, context: StageContext, record: Record) -> Record:
        """Make endpoint and deployment, then set the traffic; or change keys or traffic alone."""
        if self._changes_settings_alone(context):
            return self._change_settings(context, record)
        workspace, config = context.workspace, context.config
        model = registered_model(context).model or {}
        current = self._endpoint(context, record.name)
        context.display.message(f"endpoint {current.name}: {current.provisioning_state}")
        before = {one.name for one in current.deployments if one.provisioning_state == "Succeeded"}
        spec = deployment_spec(config, record.name, f"{model['name']}:{model['version']}")
        made = workspace.create_or_update_deployment(spec)
        context.display.message(f"deployment {made.name}: {made.provisioning_state}")
        example = workspace.download(model["job"], f"{config.registration.path}/{EXAMPLE}")
        endpoint = self._give_traffic(context, current, _sample(context, example), before)
        paths = {"log": made.log, "keys": endpoint.keys, "request": example and str(example)}
        return record.with_changes(
            model=model,
            endpoint=endpoint_entry(endpoint),
            paths={name: path for name, path in paths.items() if path},
        )

    def _give_traffic(
        self, context: StageContext, current: Endpoint, sample: bytes | None, before: set[str]
    ) -> Endpoint:
        config, workspace = context.config, context.workspace
        new = config.endpoint.deployment.name
        live = {name: share for name, share in current.traffic.items() if name in before}
        if config.endpoint.rollout.steps and live and new not in live:
            self._roll_out(context, current, sample)
            return workspace.get_endpoint(current.name)
        if config.endpoint.rollout.steps:
            context.display.message(f"no other deployment has traffic: {new} gets all of it")
        mirrored = config.endpoint.mirror_traffic
        # A deployment that is only to get copies must not take the traffic.
        traffic = config.endpoint.traffic or ({} if new in mirrored else {new: 100})
        return workspace.create_or_update_endpoint(
            endpoint_spec(config, current.name, traffic, mirrored)
        )

    def _roll_out(self, context: StageContext, current: Endpoint, sample: bytes | None) -> None:
        config = context.config
        BlueGreen(
            workspace=context.workspace,
            endpoint=lambda live, mirror: endpoint_spec(config, current.name, live, mirror),
            name=current.name,
            new=config.endpoint.deployment.name,
            before=current.traffic,
            limits=config.endpoint.rollout,
            sample=sample,
            say=context.display.message,
        ).run()

    def _changes_settings_alone(self, context: StageContext) -> bool:
        endpoint = context.config.endpoint
        if endpoint.regenerate_key is not None:
            return True
        named = {*endpoint.traffic, *endpoint.mirror_traffic}
        if not named or context.config.stage is Stage.all:
            return False
        try:
            current = context.workspace.get_endpoint(self.name(context))
        except NotFoundError:
            return False
        return named <= {one.name for one in current.deployments}

    def _change_settings(self, context: StageContext, record: Record) -> Record:
        config = context.config
        endpoint = config.endpoint
        # An endpoint that is not there must not come into being without a deployment.
        context.workspace.get_endpoint(record.name)
        spec = endpoint_spec(config, record.name, endpoint.traffic, endpoint.mirror_traffic)
        changed = context.workspace.create_or_update_endpoint(
            replace(spec, regenerate_key=endpoint.regenerate_key)
        )
        if endpoint.regenerate_key is not None:
            context.display.message(f"the {endpoint.regenerate_key.value} key is a new one")
        if endpoint.traffic or endpoint.mirror_traffic:
            context.display.message("the traffic is changed; no deployment is")
        paths = {"keys": changed.keys} if changed.keys else {}
        return record.with_changes(endpoint=endpoint_entry(changed), paths=paths)

    def _model_faults(self, context: StageContext) -> list[str]:
        model = registered_model(context).model or {}
        is_mlflow = model.get("type") == "mlflow_model"
        if context.config.endpoint.deployment.scoring_script is None and not is_mlflow:
            return [
                "endpoint.deployment.scoring_script: must be given, since model "
                f"{model.get('name')}:{model.get('version')} is not registered with "
                "registration.type=mlflow_model"
            ]
        return []

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
        "provisioning_state": endpoint.provisioning_state,
        "auth_mode": endpoint.auth_mode,
        "scoring_uri": endpoint.scoring_uri,
        "traffic": dict(endpoint.traffic),
        "mirror_traffic": dict(endpoint.mirror_traffic),
        "deployments": [asdict(deployment) for deployment in endpoint.deployments],
    }


def _is_about_others(context: StageContext) -> bool:
    """Whether keys or traffic are meant of an endpoint that must be there already."""
    endpoint = context.config.endpoint
    others = {*endpoint.traffic, *endpoint.mirror_traffic} - {endpoint.deployment.name}
    return endpoint.regenerate_key is not None or bool(others)


def _sample(context: StageContext, example: Path | None) -> bytes | None:
    """Return a request to try a deployment with: the user's own, or the model's example."""
    own = context.config.endpoint.request_file
    path = Path(own) if own is not None else example
    try:
        return path.read_bytes() if path is not None else None
    except OSError as error:
        raise JobError(f"{path}: the sample request cannot be read ({error.strerror})") from error
