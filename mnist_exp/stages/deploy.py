"""stage=deploy: an endpoint, a deployment of the registered model, then the traffic."""

from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from mnist_exp.build import deployment_spec, endpoint_change, endpoint_spec
from mnist_exp.config import Stage
from mnist_exp.errors import ConfigError, JobError, NotFoundError
from mnist_exp.records import Record
from mnist_exp.results import Endpoint
from mnist_exp.stages.context import StageContext
from mnist_exp.stages.earlier_records import deployed_endpoint, registered_model
from mnist_exp.stages.resume import begun_endpoint
from mnist_exp.stages.rollout import BlueGreen
from mnist_exp.stages.traffic import asks_what_is_there, how_to_give_some, traffic_faults

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
        current = None
        try:
            name = self.name(context)
            if asks_what_is_there(context.config.endpoint):
                current = _there_already(context, name)
            found = traffic_faults(context.config.endpoint, current)
        except NotFoundError as error:
            found = list(error.lines)
        if _changes_settings_alone(context, current):
            return found
        return [*self._model_faults(context), *found]

    def name(self, context: StageContext) -> str:
        """Return the endpoint's name, new unless one is named or used again."""
        endpoint = context.config.endpoint
        if endpoint.name is not None:
            return endpoint.name
        if endpoint.reuse or _is_about_others(context):
            return deployed_endpoint(context)
        if begun := begun_endpoint(context):
            return begun
        return f"{endpoint.name_prefix}{context.endpoint_suffix()}"

    def run(self, context: StageContext, record: Record) -> Record:
        """Make endpoint and deployment, then set the traffic; or change keys or traffic alone."""
        workspace, config = context.workspace, context.config
        found = _there_already(context, record.name)
        # The endpoint may have changed since it was looked at.
        if faults := traffic_faults(config.endpoint, found):
            raise ConfigError(faults)
        if found is not None and _changes_settings_alone(context, found):
            return self._change_settings(context, record, found)
        model = registered_model(context).model or {}
        current = self._ready(context, record.name, found)
        context.display.message(f"endpoint {current.name}: {current.provisioning_state}")
        spec = deployment_spec(config, record.name, f"{model['name']}:{model['version']}")
        made = workspace.create_or_update_deployment(spec)
        context.display.message(f"deployment {made.name}: {made.provisioning_state}")
        example = workspace.download(model["job"], f"{config.registration.path}/{EXAMPLE}")
        endpoint = self._give_traffic(context, current, _sample(context, example))
        paths = {"log": made.log, "keys": endpoint.keys, "request": example and str(example)}
        return record.with_changes(
            model=model,
            endpoint=endpoint_entry(endpoint),
            paths={name: path for name, path in paths.items() if path},
        )

    def _give_traffic(
        self, context: StageContext, current: Endpoint, sample: bytes | None
    ) -> Endpoint:
        """Leave the traffic as it is, as Azure ML does, unless there is none or some is named."""
        config, workspace = context.config, context.workspace
        new, mirrored = config.endpoint.deployment.name, config.endpoint.mirror_traffic
        if config.endpoint.rollout.steps and current.traffic:
            self._roll_out(context, current, sample)
            return workspace.get_endpoint(current.name)
        if config.endpoint.rollout.steps:
            context.display.message(f"no deployment has traffic yet: {new} gets all of it")
        _say_auth_mode(context, current, "gets")
        # A deployment that is only to get copies must not take the traffic.
        first = {} if current.traffic or new in mirrored else {new: 100}
        traffic = config.endpoint.traffic or first
        changed = workspace.create_or_update_endpoint(
            endpoint_spec(config, current.name, traffic, mirrored)
        )
        if not traffic and new not in mirrored and not changed.traffic.get(new):
            context.display.message(how_to_give_some(changed, new))
        return changed

    def _roll_out(self, context: StageContext, current: Endpoint, sample: bytes | None) -> None:
        config = context.config
        _say_auth_mode(context, current, "keeps")
        BlueGreen(
            workspace=context.workspace,
            endpoint=lambda live, mirror: endpoint_change(config, current.name, live, mirror),
            current=current,
            new=config.endpoint.deployment.name,
            limits=config.endpoint.rollout,
            sample=sample,
            say=context.display.message,
        ).run()

    def _change_settings(self, context: StageContext, record: Record, current: Endpoint) -> Record:
        endpoint = context.config.endpoint
        _say_auth_mode(context, current, "keeps")
        spec = endpoint_change(
            context.config, record.name, endpoint.traffic, endpoint.mirror_traffic
        )
        changed = context.workspace.create_or_update_endpoint(
            replace(spec, regenerate_key=endpoint.regenerate_key)
        )
        if endpoint.regenerate_key is not None:
            context.display.message(f"the {endpoint.regenerate_key.value} key is a new one")
        what = "the traffic is changed, " if endpoint.traffic or endpoint.mirror_traffic else ""
        context.display.message(
            f"{what}no deployment is: for code and settings of {endpoint.deployment.name} run "
            f"stage=deploy endpoint.name={record.name} without keys and traffic"
        )
        paths = {"keys": changed.keys} if changed.keys else {}
        return record.with_changes(endpoint=endpoint_entry(changed), paths=paths)

    def _model_faults(self, context: StageContext) -> list[str]:
        try:
            model = registered_model(context).model or {}
        except NotFoundError as error:
            return list(error.lines)
        is_mlflow = model.get("type") == "mlflow_model"
        if context.config.endpoint.deployment.scoring_script is None and not is_mlflow:
            return [
                "endpoint.deployment.scoring_script: must be given, since model "
                f"{model.get('name')}:{model.get('version')} is not registered with "
                "registration.type=mlflow_model"
            ]
        return []

    def _ready(self, context: StageContext, name: str, found: Endpoint | None) -> Endpoint:
        """Return the endpoint that was found, made first if there is none."""
        if found is None:
            return context.workspace.create_or_update_endpoint(endpoint_spec(context.config, name))
        if found.provisioning_state == "Succeeded":
            return found
        # One that was cut short is finished by the call that made it.
        change = endpoint_change(context.config, name, {}, {})
        return context.workspace.create_or_update_endpoint(change)


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


def _there_already(context: StageContext, name: str) -> Endpoint | None:
    """Return the endpoint; None if it is still to be made.

    Raises:
        NotFoundError: It is to get new keys, and is not there.
    """
    try:
        return context.workspace.get_endpoint(name)
    except NotFoundError:
        # An endpoint that is not there must not come into being without a deployment.
        if context.config.endpoint.regenerate_key is not None:
            raise
        return None


def _changes_settings_alone(context: StageContext, current: Endpoint | None) -> bool:
    """Whether keys or traffic are changed, and nothing is deployed."""
    endpoint = context.config.endpoint
    if endpoint.regenerate_key is not None:
        return True
    named = {*endpoint.traffic, *endpoint.mirror_traffic}
    if not named or current is None or context.config.stage is Stage.all:
        return False
    return named <= {one.name for one in current.deployments}


def _say_auth_mode(context: StageContext, current: Endpoint, verb: str) -> None:
    """Say which auth_mode the endpoint gets, or keeps, where the config has another one."""
    has, asked = current.auth_mode, context.config.endpoint.auth_mode.value
    if has == asked:
        return
    rest = (
        f"gets {asked} instead of {has}; keep that with endpoint.auth_mode={has}"
        if verb == "gets"
        else f"keeps {has}, not {asked}; a deployment without rollout changes it"
    )
    context.display.message(f"endpoint.auth_mode: endpoint {current.name} {rest}")


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
