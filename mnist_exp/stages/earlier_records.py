"""Which earlier record a stage goes on from: the one in this command, the one named, the latest."""

from pathlib import Path

from mnist_exp.config import Stage
from mnist_exp.errors import NotFoundError
from mnist_exp.records import Record, RecordIndex
from mnist_exp.stages.context import StageContext
from mnist_exp.status import JobStatus
from mnist_exp.workspaces.base import BY_THE_USER

#: The file in a run folder with the config that its sweep or training was begun with.
CONFIG_NAME = "config.json"

#: Stages whose `run=` names the record of a deployment.
_CALLING = (Stage.invoke, Stage.status, Stage.logs, Stage.cleanup)
#: Stages that look at an endpoint, or remove it, even when its deployment has failed.
_LOOKING = (Stage.status, Stage.logs, Stage.cleanup, Stage.all)


def source_job(context: StageContext) -> Record:
    """Return the sweep or training run to register.

    Raises:
        NotFoundError: None has been completed, none has the name, or it has no best trial.
    """
    wanted = context.config.run
    stages = (Stage.sweep,) if wanted is None else (Stage.sweep, Stage.train)
    record = context.produced.get(Stage.sweep) or _newest(context, wanted, *stages)
    if record is None and wanted is not None:
        raise NotFoundError(
            f"run: must name a completed sweep or training run, got {wanted}; "
            "run.json of each run has its name"
        )
    if record is None:
        raise NotFoundError(
            f"run: no completed sweep in {context.config.outputs_dir}; "
            "run mnist-exp stage=sweep first, or name a training run with run=NAME"
        )
    if record.stage is Stage.sweep and record.best is None:
        raise NotFoundError(
            f"run: sweep {record.name} has no best trial, since none logged its primary metric; "
            "run another sweep or name another run with run=NAME"
        )
    return record


def model_source(context: StageContext) -> str:
    """Return the job whose model is registered: a sweep's best trial, or a training run.

    Raises:
        NotFoundError: As for `source_job`.
    """
    source = source_job(context)
    return str(source.best["name"]) if source.best else source.name


def unfinished_training(index: RecordIndex, name: str) -> tuple[Record, Path]:
    """Return the newest record of a training run to go on with, and the folder of its kept config.

    Raises:
        NotFoundError: It is not there, or has been completed.
    """
    found = [one for one in index.newest_first(Stage.train) if one[0].name == name]
    if not found:
        raise NotFoundError(
            f"run: no training run {name} in {index.outputs}; leave run= out to train anew"
        )
    record, folder = found[0]
    if record.status is JobStatus.COMPLETED:
        raise NotFoundError(
            f"run: must name a training run that was not completed, got {name}, "
            "which is Completed; leave run= out to train anew"
        )
    return record, next((one for _, one in found if (one / CONFIG_NAME).is_file()), folder)


def unfinished_sweep(index: RecordIndex, name: str | None) -> tuple[Record, Path]:
    """Return the record and the run folder of a sweep to go on with; the latest without a name.

    Raises:
        NotFoundError: There is none, or the sweep has ended.
    """
    ended = set()
    found: dict[str, tuple[Record, Path]] = {}
    for record, folder in index.newest_first(Stage.sweep):
        # One that was killed has no trials in its record, one that the user stopped may go on.
        if record.status is JobStatus.COMPLETED or (record.trials and record.why != BY_THE_USER):
            ended.add(record.name)
        elif (folder / CONFIG_NAME).is_file():
            found.setdefault(record.name, (record, folder))
    if name in ended:
        raise NotFoundError(
            f"run: must name a sweep that has not ended, got {name}, which has; "
            "leave run= out to begin another"
        )
    left = [one for known, one in found.items() if known not in ended and name in (None, known)]
    if left:
        return left[0]
    what = f"no sweep {name}" if name else "no sweep that has not ended"
    raise NotFoundError(f"run: {what} to go on with; leave run= and resume= out to begin another")


def registered_model(context: StageContext) -> Record:
    """Return the record of the model to deploy.

    Raises:
        NotFoundError: None has been registered, or none has the name.
    """
    if Stage.register in context.produced:
        return context.produced[Stage.register]
    record = _newest(context, context.config.run, Stage.register)
    if record is None:
        given = context.config.run
        what = f"no registered model named {given}" if given else "no registered model"
        raise NotFoundError(
            f"run: {what} in {context.config.outputs_dir}"
            f"{_there_are(context, Stage.register)}; register one with mnist-exp stage=register"
        )
    return record


def deployed_endpoint(context: StageContext) -> str:
    """Return the name of the endpoint to call, change or delete.

    Raises:
        NotFoundError: None is deployed.
    """
    if context.config.endpoint.name is not None:
        return context.config.endpoint.name
    if Stage.deploy in context.produced:
        return context.produced[Stage.deploy].name
    # What `run=` names is the model when deploying.
    named = context.config.run if context.config.stage in _CALLING else None
    deleted, failed = set(), []
    for record, _ in context.index.newest_first(Stage.deploy, Stage.cleanup):
        if record.stage is Stage.cleanup:
            # One that failed, or was killed, may have left the endpoint where it was.
            if record.status is JobStatus.COMPLETED:
                deleted.add(record.name)
        elif record.name in deleted or named not in (None, record.name):
            continue
        elif record.status is not JobStatus.FAILED or context.config.stage in _LOOKING:
            return record.name
        else:
            failed.append(record.name)
    if failed:
        raise NotFoundError(
            f"endpoint.name: the deployment of endpoint {failed[0]} failed, so nobody answers; "
            "see stage=logs, mend it and run stage=deploy again"
        )
    if named is not None:
        raise NotFoundError(
            f"run: no endpoint {named} is deployed from {context.config.outputs_dir}; "
            "leave run= out for the latest, or name one with endpoint.name=NAME"
        )
    raise NotFoundError(
        f"endpoint.name: no endpoint is deployed from {context.config.outputs_dir}; "
        "deploy one with mnist-exp stage=deploy, or name one with endpoint.name=NAME"
    )


def missing_endpoint(context: StageContext) -> list[str]:
    """Return why there is no endpoint to call, look at or delete; empty if there is one."""
    try:
        context.workspace.get_endpoint(deployed_endpoint(context))
    except NotFoundError as error:
        return list(error.lines)
    return []


def _there_are(context: StageContext, stage: Stage) -> str:
    """Return the newest few names that could be meant."""
    found = [
        record.name
        for record, _ in context.index.newest_first(stage)
        if record.status is JobStatus.COMPLETED
    ]
    return f", which has {', '.join(found[:5])}" if found else ""


def _newest(context: StageContext, name: str | None, *stages: Stage) -> Record | None:
    for record, _ in context.index.newest_first(*stages):
        # A model may be named without its version.
        names = (None, record.name, record.name.partition(":")[0])
        if record.status is JobStatus.COMPLETED and name in names:
            return record
    return None
