"""stage=deploy: create an endpoint, deploy the registered model, then set the traffic."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from mnist_exp.build import deployment_spec, endpoint_change, endpoint_spec, placeholder_model
from mnist_exp.checks.endpoint import read_request
from mnist_exp.config import EndpointConfig, ModelType, Stage
from mnist_exp.errors import ConfigError, NotFoundError
from mnist_exp.experiment import Experiment
from mnist_exp.names import new_endpoint_name
from mnist_exp.records import Record
from mnist_exp.results import Endpoint
from mnist_exp.specs import DeploymentSpec, EndpointSpec, Spec
from mnist_exp.stages.context import StageContext, StageRunner
from mnist_exp.stages.earlier_records import deployed_endpoint, registered_model
from mnist_exp.stages.example_requests import example_body, example_request
from mnist_exp.stages.resume import unfinished_endpoint
from mnist_exp.stages.rollout import BlueGreen
from mnist_exp.traffic import (
    no_traffic_hint,
    overlap_faults,
    rollout_faults,
    unknown_deployment_faults,
)

#: The config keys that have no effect if the command changes only the endpoint's keys or traffic.
_OF_DEPLOYMENTS = (
    "endpoint.deployment.",
    "endpoint.description",
    "endpoint.token_lifetime",
    "registration.",
)


class DeployStage(StageRunner):
    """The stage that creates an endpoint and a deployment, and gives the deployment traffic.

    If one of these conditions is true, the stage deploys nothing, and changes only the keys or the
    traffic:

    - `endpoint.regenerate_key` is given.
    - `endpoint.traffic` or `endpoint.mirror_traffic` is given, and names only existing deployments.
    """

    stage = Stage.deploy

    def faults(self) -> list[str]:
        """Return the faults of the model, the endpoint and the traffic."""
        current = None
        try:
            name = self.name
            if _depends_on_current(self.context.config.endpoint):
                current = _find_endpoint(self.context, name)
            found = _traffic_faults(self.context.config.endpoint, current)
        except NotFoundError as error:
            found = list(error.lines)
        if _changes_settings_only(self.context, current):
            return found
        return [*self._model_faults(), *found]

    @cached_property
    def name(self) -> str:
        """The given name, the name of an earlier endpoint, or a new name."""
        endpoint = self.context.config.endpoint
        if endpoint.name is not None:
            return endpoint.name
        if endpoint.reuse or _needs_earlier_endpoint(endpoint):
            return deployed_endpoint(self.context)
        return unfinished_endpoint(self.context) or new_endpoint_name(endpoint.name_prefix)

    @cached_property
    def model(self) -> Mapping[str, Any]:
        """The registered model, in the format of a record."""
        return registered_model(self.context)

    @cached_property
    def endpoint(self) -> EndpointSpec:
        """The spec of the endpoint. A new endpoint gets no traffic from this spec."""
        return endpoint_spec(self.context.config, self.name)

    @cached_property
    def deployment(self) -> DeploymentSpec:
        """The spec of the deployment. `run` inserts the name and version of the deployed model."""
        config = self.context.config
        return deployment_spec(config, self.name, placeholder_model(config))

    @property
    def specs(self) -> Sequence[Spec]:
        """The endpoint and the deployment."""
        return (self.endpoint, self.deployment)

    def run(self, record: Record) -> Record:
        """Create the endpoint and the deployment and set the traffic, or change only settings."""
        context = self.context
        workspace, config = context.workspace, context.config
        found = _find_endpoint(context, record.name)
        # Check the traffic again: the endpoint may have changed since `faults` was called.
        if faults := _traffic_faults(config.endpoint, found):
            raise ConfigError(faults)
        if found is not None and _changes_settings_only(context, found):
            return _change_settings(context, record, found)
        model = self.model
        if (
            model.get("type") == ModelType.mlflow_model
            and config.endpoint.deployment.scoring_script
        ):
            context.display.message(
                f"{_reference(model)} is an MLflow model, but the deployment has a "
                "scoring script; to deploy the model without a script, use endpoint=mlflow"
            )
        file = config.endpoint.request_file
        # Read the request before the endpoint changes, because the content of a pipe may be faulty.
        own = None if file is None else read_request(file)
        # Do this before the endpoint is created. On Azure, this step downloads the model, and an
        # endpoint would cost money during the download.
        example = example_request(context, model)
        sample = own or example_body(example)
        current = _ready_endpoint(context, self.endpoint, found)
        context.display.message(f"endpoint {current.name}: {current.provisioning_state}")
        spec = replace(self.deployment, model=_reference(model))
        deployment = workspace.create_or_update_deployment(spec)
        context.display.message(f"deployment {deployment.name}: {deployment.provisioning_state}")
        endpoint = _give_traffic(context, self.endpoint, current, sample)
        paths = {
            "log": deployment.log,
            "keys": endpoint.keys,
            # Do not save the path of a pipe, because its request cannot be read again.
            "request": file if file and Path(file).is_file() else example and str(example),
        }
        return record.with_changes(
            model=model,
            endpoint=endpoint_entry(endpoint),
            paths={name: path for name, path in paths.items() if path},
        )

    def _model_faults(self) -> list[str]:
        try:
            model = self.model
        except NotFoundError as error:
            return list(error.lines)
        is_mlflow = model.get("type") == ModelType.mlflow_model
        if self.context.config.endpoint.deployment.scoring_script is None and not is_mlflow:
            return [
                "endpoint.deployment.scoring_script: must be given, because model "
                f"{_reference(model)} is not of type mlflow_model; give a script, or run "
                "mnist-exp stage=register registration.type=mlflow_model"
            ]
        return []


def _reference(model: Mapping[str, Any]) -> str:
    return f"{model['name']}:{model['version']}"


def endpoint_entry(endpoint: Endpoint) -> Mapping[str, Any]:
    """Return the entry for an endpoint in a record. The entry never contains the keys."""
    return {
        "name": endpoint.name,
        "provisioning_state": endpoint.provisioning_state,
        "auth_mode": endpoint.auth_mode,
        "scoring_uri": endpoint.scoring_uri,
        "traffic": dict(endpoint.traffic),
        "mirror_traffic": dict(endpoint.mirror_traffic),
        "deployments": [asdict(deployment) for deployment in endpoint.deployments],
    }


def _give_traffic(
    context: StageContext, spec: EndpointSpec, current: Endpoint, sample: bytes | None
) -> Endpoint:
    """Set the traffic that the config gives, or run the rollout that the config describes.

    If the config gives no traffic, the endpoint's traffic does not change, as on Azure ML. But if
    no deployment has traffic yet, the new deployment gets 100 %.
    """
    config, workspace = context.config, context.workspace
    new, mirrored = config.endpoint.deployment.name, config.endpoint.mirror_traffic
    if config.endpoint.rollout.steps and current.traffic:
        _roll_out(context, current, sample)
        return workspace.get_endpoint(current.name)
    if config.endpoint.rollout.steps:
        context.display.message(f"no deployment has traffic yet: {new} gets 100 % without rollout")
    _show_auth_mode(context, current, is_changed=True)
    # A deployment that gets mirrored traffic must not get live traffic.
    first = {} if current.traffic or new in mirrored else {new: 100}
    traffic = config.endpoint.traffic or first
    changed = workspace.create_or_update_endpoint(
        replace(spec, traffic=traffic, mirror_traffic=mirrored)
    )
    if not traffic and new not in mirrored and not changed.traffic.get(new):
        context.display.message(no_traffic_hint(changed.name, new, changed.traffic))
    return changed


def _roll_out(context: StageContext, current: Endpoint, sample: bytes | None) -> None:
    config = context.config
    _show_auth_mode(context, current, is_changed=False)
    BlueGreen(
        workspace=context.workspace,
        endpoint=lambda live, mirror: endpoint_change(config, current.name, live, mirror),
        current=current,
        new=config.endpoint.deployment.name,
        limits=config.endpoint.rollout,
        sample=sample,
        say=context.display.message,
    ).run()


def _change_settings(context: StageContext, record: Record, current: Endpoint) -> Record:
    """Change the keys or the traffic, and print that no code was deployed."""
    endpoint = context.config.endpoint
    _show_auth_mode(context, current, is_changed=False)
    spec = endpoint_change(context.config, record.name, endpoint.traffic, endpoint.mirror_traffic)
    changed = context.workspace.create_or_update_endpoint(
        replace(spec, regenerate_key=endpoint.regenerate_key)
    )
    if endpoint.regenerate_key is not None:
        context.display.message(f"regenerated the {endpoint.regenerate_key.value} key")
    if endpoint.traffic or endpoint.mirror_traffic:
        context.display.message("changed the traffic")
    unused = ", ".join(_keys_without_effect(context.config))
    context.display.message(
        f"no code was deployed{unused and f', so {unused} had no effect'}; to deploy "
        f"{endpoint.deployment.name}, run mnist-exp stage=deploy endpoint.name={record.name} "
        "without the overrides for keys and traffic"
    )
    paths = {"keys": changed.keys} if changed.keys else {}
    return record.with_changes(endpoint=endpoint_entry(changed), paths=paths)


def _keys_without_effect(config: Experiment) -> Iterator[str]:
    """Yield the keys and groups of the command line that only a new deployment would use."""
    for name in config.given:
        keys = config.chosen.get(name, (name,))
        if name != "endpoint.deployment.name" and any(k.startswith(_OF_DEPLOYMENTS) for k in keys):
            yield name


def _ready_endpoint(context: StageContext, spec: EndpointSpec, found: Endpoint | None) -> Endpoint:
    """Return an endpoint that is ready for a deployment. Create the endpoint if necessary."""
    if found is None:
        return context.workspace.create_or_update_endpoint(spec)
    if found.provisioning_state == "Succeeded":
        return found
    # The command that created the endpoint was interrupted. This call completes the creation.
    change = endpoint_change(context.config, spec.name, {}, {})
    return context.workspace.create_or_update_endpoint(change)


def _traffic_faults(endpoint: EndpointConfig, current: Endpoint | None) -> list[str]:
    """Return the faults of traffic, mirrored traffic and rollout.

    Args:
        endpoint: The config of the endpoint.
        current: The endpoint in the workspace; None if the endpoint does not exist.
    """
    live, mirrored, new = endpoint.traffic, endpoint.mirror_traffic, endpoint.deployment.name
    existing = [deployment.name for deployment in current.deployments] if current else []
    is_created = endpoint.regenerate_key is None
    known = {*existing, new} if is_created else set(existing)
    found = unknown_deployment_faults(live, mirrored, known)
    if current is None:
        return found
    if endpoint.rollout.steps:
        return found + rollout_faults(current.name, new, current.traffic, existing)
    # If the config gives no live or mirrored traffic, the current traffic does not change.
    return found + overlap_faults(live or current.traffic, mirrored or current.mirror_traffic)


def _depends_on_current(endpoint: EndpointConfig) -> bool:
    """Return whether the faults depend on the endpoint's current deployments."""
    named = endpoint.traffic or endpoint.mirror_traffic
    return bool(named or endpoint.rollout.steps) or endpoint.regenerate_key is not None


def _needs_earlier_endpoint(endpoint: EndpointConfig) -> bool:
    """Return whether the command changes the keys, or the traffic of existing deployments."""
    others = {*endpoint.traffic, *endpoint.mirror_traffic} - {endpoint.deployment.name}
    return endpoint.regenerate_key is not None or bool(others)


def _find_endpoint(context: StageContext, name: str) -> Endpoint | None:
    """Return the endpoint; None if the endpoint does not exist yet.

    Raises:
        NotFoundError: The endpoint does not exist, and the command regenerates its keys.
    """
    try:
        return context.workspace.get_endpoint(name)
    except NotFoundError:
        # Regenerating keys must not create an endpoint without a deployment.
        if context.config.endpoint.regenerate_key is not None:
            raise
        return None


def _changes_settings_only(context: StageContext, current: Endpoint | None) -> bool:
    """Return whether the command changes only keys or traffic, and deploys nothing."""
    endpoint = context.config.endpoint
    if endpoint.regenerate_key is not None:
        return True
    named = {*endpoint.traffic, *endpoint.mirror_traffic}
    if not named or current is None or context.config.stage is Stage.all:
        return False
    return named <= {deployment.name for deployment in current.deployments}


def _show_auth_mode(context: StageContext, current: Endpoint, *, is_changed: bool) -> None:
    """Print a line about auth_mode if the endpoint and the config have different values.

    Args:
        context: The context of the stage.
        current: The endpoint before the stage.
        is_changed: Whether the stage sets the endpoint's auth_mode to the config's value.
    """
    now, asked = current.auth_mode, context.config.endpoint.auth_mode.value
    if now == asked:
        return
    outcome = (
        f"changes from {now} to {asked}; to keep {now}, use endpoint.auth_mode={now}"
        if is_changed
        else f"keeps {now}; to change to {asked}, deploy without rollout"
    )
    context.display.message(f"endpoint.auth_mode: endpoint {current.name} {outcome}")
