"""Find the record of an earlier stage, for a stage that needs the earlier result.

For example, `stage=register` needs the record of a sweep. With `stage=all`, the same command has
written the record. Otherwise `run=` names the record. Without `run=`, use the newest record.
"""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mnist_exp.config import Stage
from mnist_exp.errors import NotFoundError
from mnist_exp.experiment import Experiment
from mnist_exp.records import Record, RecordIndex
from mnist_exp.results import Endpoint
from mnist_exp.specs import parse_model_name
from mnist_exp.stages.context import StageContext
from mnist_exp.status import JobStatus
from mnist_exp.sweeps.fields import did_you_mean

#: The config key that names a deployment, except in stage=invoke.
_DEPLOYMENT_KEY = "endpoint.deployment.name"
#: Stages in which `run=` names an endpoint.
_CALLING_STAGES = (Stage.invoke, Stage.page, Stage.status, Stage.logs, Stage.cleanup)
#: Stages that can use an endpoint whose deployment failed.
_INSPECTING_STAGES = (Stage.status, Stage.logs, Stage.cleanup, Stage.all)


def source_job(context: StageContext) -> Record:
    """Return the record of the sweep or training run whose model is registered.

    Raises:
        NotFoundError: No completed job is found, or the sweep has no best trial.
    """
    wanted = context.config.run
    record = context.produced.get(Stage.sweep) or completed_job(context.config, context.index)
    if record is None and wanted is not None:
        raise NotFoundError(
            f"run: must name a completed sweep or training run, got {wanted}; "
            "mnist-exp stage=runs lists all runs"
        )
    if record is None:
        raise NotFoundError(
            f"run: no completed sweep in {context.config.outputs_dir}; "
            "run mnist-exp stage=sweep first, or name a training run with run=NAME"
        )
    if record.stage is Stage.sweep and record.best is None:
        raise NotFoundError(
            f"run: sweep {record.name} has no best trial, because no trial logged the primary "
            "metric; run another sweep, or name another run with run=NAME"
        )
    return record


def completed_job(config: Experiment, index: RecordIndex) -> Record | None:
    """Return the record of the completed job that `run=` names.

    Without `run=`, return the record of the newest completed sweep.
    """
    stages = (Stage.sweep,) if config.run is None else (Stage.sweep, Stage.train)
    return _newest(index, config.run, *stages)


def model_source(job: Record) -> str:
    """Return the name of the job that saved the model.

    For a sweep, this is the best trial. For a training run, this is the run itself.
    """
    return str(job.best["name"]) if job.best else job.name


def registered_model(context: StageContext) -> Mapping[str, Any]:
    """Return the registered model to deploy, in the format of a record.

    Ask the workspace for the model: another program, e.g. `mlflow.register_model`, may have
    registered the model or a newer version, and the user may have deleted a version.

    Raises:
        NotFoundError: No model is registered, no registered model has the given name, or the files
            of the model were deleted.
    """
    if Stage.register in context.produced:
        return context.produced[Stage.register].model or {}
    config = context.config
    wanted = model_name(config, context.index)
    if wanted is None:
        raise NotFoundError(
            f"run: no registered model in {config.outputs_dir}; register a model with mnist-exp "
            "stage=register, or name a model of another program with run=NAME"
        )
    found = context.workspace.find_model(*parse_model_name(wanted))
    if found is None:
        raise NotFoundError(
            f"run: must name a registered model, but {wanted} does not exist or was deleted"
            f"{_known_models(context)}; register a model with mnist-exp stage=register, or name "
            "another model with run=NAME:VERSION"
        )
    return asdict(found)


def model_name(config: Experiment, index: RecordIndex) -> str | None:
    """Return the name of the model to deploy, with or without a version; None if there is no model.

    The command line may name the model, by `run=`, by `registration.name=` or by a config group.
    Otherwise the model is the newest model that `stage=register` has registered.
    """
    if config.stage is Stage.deploy and config.run is not None:
        return str(config.run)
    if config.stage is Stage.deploy and config.setter("registration.name"):
        return config.registration.name
    record = _newest(index, None, Stage.register)
    return None if record is None else record.name


def deployment_record(context: StageContext, endpoint: str) -> tuple[Record, Path] | None:
    """Return the record of an endpoint's newest completed deployment and its folder, or None."""
    for record, folder in context.index.newest_first(Stage.deploy):
        # A command that only changed the traffic or the keys has no model in its record.
        is_deployment = record.name == endpoint and record.model is not None
        if is_deployment and record.status is JobStatus.COMPLETED:
            return record, folder
    return None


def deployed_endpoint(context: StageContext) -> str:
    """Return the name of the endpoint to call, change or delete.

    Raises:
        NotFoundError: No endpoint is deployed, or no deployed endpoint has the given name.
    """
    if context.config.endpoint.name is not None:
        return context.config.endpoint.name
    if Stage.deploy in context.produced:
        return context.produced[Stage.deploy].name
    # In stage=deploy, run= names the model.
    named = context.config.run if context.config.stage in _CALLING_STAGES else None
    deleted, failed = set(), []
    for record, _ in context.index.newest_first(Stage.deploy, Stage.cleanup):
        if record.stage is Stage.cleanup:
            # A cleanup that failed or was killed may not have deleted the endpoint.
            if record.status is JobStatus.COMPLETED:
                deleted.add(record.name)
        elif record.name in deleted or named not in (None, record.name):
            continue
        elif record.status is not JobStatus.FAILED or context.config.stage in _INSPECTING_STAGES:
            return record.name
        else:
            failed.append(record.name)
    if failed:
        raise NotFoundError(
            f"endpoint.name: endpoint {failed[0]} cannot answer, because its deployment failed; "
            "see stage=logs, fix the deployment and run stage=deploy again"
        )
    if named is not None:
        raise NotFoundError(
            f"run: no endpoint {named} is deployed from {context.config.outputs_dir}; "
            "omit run= to use the newest endpoint, or name an endpoint with endpoint.name=NAME"
        )
    raise NotFoundError(
        f"endpoint.name: no endpoint is deployed from {context.config.outputs_dir}; "
        "deploy a model with mnist-exp stage=deploy, or name an endpoint with endpoint.name=NAME"
    )


def names_endpoint(context: StageContext) -> bool:
    """Return whether the command line names the endpoint to call, change or delete."""
    return context.config.endpoint.name is not None or context.config.run is not None


def existing_endpoint(
    context: StageContext, deployment: str | None = None, key: str = _DEPLOYMENT_KEY
) -> Endpoint:
    """Return the endpoint to use.

    Args:
        context: The stage's context.
        deployment: A deployment that the endpoint must have, if not None.
        key: The config key that names the deployment.

    Raises:
        NotFoundError: The endpoint or the deployment does not exist.
    """
    endpoint = context.workspace.get_endpoint(deployed_endpoint(context))
    known = [one.name for one in endpoint.deployments]
    if deployment is not None and deployment not in known:
        listed = ", ".join(known) or "none; run mnist-exp stage=deploy first"
        raise NotFoundError(
            f"{key}: must name a deployment of endpoint {endpoint.name}, got {deployment}; there "
            f"are: {listed}{did_you_mean(deployment, known)}"
        )
    return endpoint


def endpoint_faults(
    context: StageContext, deployment: str | None = None, key: str = _DEPLOYMENT_KEY
) -> list[str]:
    """Return the error message of `existing_endpoint`; empty if there is no error."""
    try:
        existing_endpoint(context, deployment, key)
    except NotFoundError as error:
        return list(error.lines)
    return []


def named_deployment(context: StageContext) -> str | None:
    """Return the deployment that the command line of stage=logs or stage=cleanup names, or None.

    A config group may also name the deployment, e.g. `endpoint=blue_green`. But `endpoint.name=` on
    the command line names the whole endpoint, unless the key of the deployment is there too.
    """
    config = context.config
    setter = config.setter(_DEPLOYMENT_KEY)
    # stage=all also runs the cleanup stage, and always deletes the whole endpoint.
    if setter is None or config.stage not in (Stage.logs, Stage.cleanup):
        return None
    names_whole = setter != _DEPLOYMENT_KEY and "endpoint.name" in config.given
    return None if names_whole else config.endpoint.deployment.name


def _known_models(context: StageContext) -> str:
    """Return a text with the newest models that `stage=register` has registered, for a message."""
    found = [
        record.name
        for record, _ in context.index.newest_first(Stage.register)
        if record.status is JobStatus.COMPLETED
    ]
    return f"; mnist-exp registered {', '.join(found[:5])}" if found else ""


def _newest(index: RecordIndex, name: str | None, *stages: Stage) -> Record | None:
    """Return the newest completed record of the stages, with the given name if any."""
    for record, _ in index.newest_first(*stages):
        if record.status is JobStatus.COMPLETED and name in (None, record.name):
            return record
    return None
