"""What earlier commands have begun where jobs outlive them, so that nothing is made twice."""

from pathlib import Path

from mnist_exp.config import Stage
from mnist_exp.errors import NotFoundError
from mnist_exp.records import RECORD_NAME, Record, load_record
from mnist_exp.stages.context import StageContext
from mnist_exp.stages.fingerprint import fingerprint
from mnist_exp.status import JobStatus

#: Stages of `stage=all` whose results a later command can take over.
_LASTING = (Stage.train, Stage.sweep, Stage.register)


def begun_job(context: StageContext, stage: Stage) -> str | None:
    """Return the name of the job that an earlier command submitted, or was about to.

    It counts if that command asked for the same, was not there when the job completed, and the
    job has not failed since.
    """
    if not context.workspace.outlives_command:
        return None
    record, _ = _newest_alike(context, stage)
    if record is None or record.status is JobStatus.COMPLETED:
        return None
    status = context.workspace.find_job(record.name)
    return None if status is not None and status.ended_badly else record.name


def begun_endpoint(context: StageContext) -> str | None:
    """Return the endpoint that an earlier command was making, or made and could not delete.

    One whose first deployment failed is such a one, and one that has ever been through is not.
    """
    begun: list[str] = []
    settled = set()
    for record, folder in context.index.newest_first(Stage.deploy, Stage.cleanup):
        if record.workspace != context.config.workspace.type.value or record.name in settled:
            continue
        if record.stage is Stage.deploy and _is_unfinished(record, folder):
            begun.append(record.name)
        elif record.stage is Stage.deploy:
            settled.add(record.name)
            # Later deployments to it failed, but it had one that was through.
            begun = [name for name in begun if name != record.name]
        elif record.status is JobStatus.COMPLETED:
            settled.add(record.name)
    return next((name for name in begun if _may_be_there(context, name)), None)


def earlier_stages(context: StageContext) -> dict[Stage, Record]:
    """Return what the newest `stage=all` has completed, if it was the same and did not end."""
    if not context.workspace.outlives_command:
        return {}
    record, folder = _newest_alike(context, Stage.all)
    if record is None or folder is None or record.status is JobStatus.COMPLETED:
        return {}
    return _completed(folder)


def _newest_alike(context: StageContext, stage: Stage) -> tuple[Record | None, Path | None]:
    """Return the newest record that an earlier command left which asked for the same."""
    wanted = fingerprint(context.config, stage)
    for record, folder in context.index.newest_first(stage):
        # This command's own record may be there already.
        if record.fingerprint == wanted and folder != context.folder.resolve():
            return record, folder
    return None, None


def _completed(folder: Path) -> dict[Stage, Record]:
    found = {}
    for stage in _LASTING:
        record = _load(folder / stage.value)
        if record is None or record.status is not JobStatus.COMPLETED:
            break
        found[stage] = record
    return found


def _is_unfinished(record: Record, folder: Path) -> bool:
    """Whether a deployment was cut short, or belongs to a `stage=all` that was."""
    if record.status is not JobStatus.COMPLETED:
        return True
    whole = _load(folder.parent)
    return whole is not None and whole.stage is Stage.all


def _may_be_there(context: StageContext, endpoint: str) -> bool:
    """Whether it is worth going on with an endpoint: on Azure it is made anew if it has gone."""
    if context.workspace.outlives_command:
        return True
    try:
        context.workspace.get_endpoint(endpoint)
    except NotFoundError:
        return False
    return True


def _load(folder: Path) -> Record | None:
    try:
        return load_record(folder / RECORD_NAME)
    except NotFoundError:
        return None
