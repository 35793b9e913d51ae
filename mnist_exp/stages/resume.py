"""Find the job of an earlier command that this command resumes.

There are two ways to resume:

- With `run=NAME` or `resume=last` the user selects an unfinished job. The job's config does not
  change, except for the keys of `UnfinishedJob.may_change`.
- Without these overrides, a command looks for an unfinished job with the same fingerprint (a hash
  of config and code). If an earlier command submitted such a job, this command resumes the job and
  submits no second job. This second way works only in a workspace whose jobs continue after their
  command ends (`Workspace.outlives_command`).
"""

import hashlib
import json
import shlex
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mnist_exp.config import COMMAND_KEYS, ExperimentConfig, Stage
from mnist_exp.errors import NotFoundError
from mnist_exp.experiment import Experiment
from mnist_exp.hidden_values import key_names, shown_values
from mnist_exp.names import new_job_name
from mnist_exp.records import (
    CONFIG_NAME,
    INVALID_JSON,
    RECORD_NAME,
    Record,
    RecordIndex,
    load_record,
    write_json,
)
from mnist_exp.same_job import START_ANOTHER
from mnist_exp.snapshot import snapshot_hash
from mnist_exp.stages.context import StageContext
from mnist_exp.status import JobStatus
from mnist_exp.templates import hydra_text
from mnist_exp.workspaces.base import BY_THE_USER

#: Stage -> config keys that a command may change when it resumes a job.
MAY_CHANGE: Mapping[Stage, tuple[str, ...]] = {
    Stage.train: ("model.epochs", "job.timeout", "job.environment_variables", "compute"),
    Stage.sweep: (),
}
#: Stage -> config groups that do not influence the results of the stage.
_IRRELEVANT = {
    Stage.train: ("sweep", "registration", "endpoint"),
    Stage.sweep: ("registration", "endpoint"),
}
#: Stages whose results a later `stage=all` can use, if an earlier `stage=all` was interrupted.
_REUSED_STAGES = (Stage.train, Stage.sweep, Stage.register)


@dataclass(frozen=True)
class UnfinishedJob:
    """A training run or a sweep that a command resumes.

    Attributes:
        record: The job's newest record.
        folder: The run folder with the config of the job.
    """

    record: Record
    folder: Path

    def __str__(self) -> str:
        return f"{self.record.stage.value} {self.record.name}"

    @property
    def config_path(self) -> Path | None:
        """The file with the job's config; None if the folder has no such file."""
        path = self.folder / CONFIG_NAME
        return path if path.is_file() else None

    @property
    def may_change(self) -> tuple[str, ...]:
        """The config keys that the command may change."""
        return MAY_CHANGE[self.record.stage]


def unfinished_job(config: ExperimentConfig, index: RecordIndex) -> UnfinishedJob | None:
    """Return the job that `run=NAME` or `resume=last` selects; None without these overrides.

    Raises:
        NotFoundError: The selected job does not exist, or has ended.
    """
    is_named, is_last = config.run is not None, config.resume == "last"
    # Ignore two invalid cases here, because the config checks report them: `run=` together with
    # `resume=`, and a value of `resume` other than `last`.
    if config.stage is Stage.sweep and is_named != is_last:
        return _unfinished_sweep(index, config.run)
    if config.stage is Stage.train and config.run is not None and config.resume is None:
        return _unfinished_training(index, config.run)
    return None


def keep_config(context: StageContext) -> None:
    """Write the job's config into the run folder, for a later command that resumes the job.

    The path of the outputs folder is absolute, so that the later command can detect a move of the
    folder.
    """
    outputs = str(context.index.outputs.resolve())
    config = context.config
    content = config.content()
    # A command that resumes the job deploys nothing.
    content["endpoint"]["deployment"]["environment_variables"] = {}
    interpolations = {
        key: text
        for key, text in config.interpolations.items()
        if key.partition(".")[0] not in COMMAND_KEYS and _clear(content, key_names(key))
    }
    content |= {"outputs_dir": outputs, "interpolations": interpolations}
    # Mode 0600, because environment variables may be secrets.
    write_json(context.folder / CONFIG_NAME, content, 0o600)


def has_ended(record: Record) -> bool:
    """Return whether no command can resume the training run or the sweep of a record.

    A sweep can be resumed if its command was killed (the record then has no trials), or if the user
    canceled the sweep. Every job can be resumed if some results could not be read.
    """
    if record.unread or record.why == BY_THE_USER:
        return False
    return record.status is JobStatus.COMPLETED or bool(record.trials)


def hide_kept_values(context: StageContext, record: Record) -> None:
    """Hide the values of environment variables in the configs of a job that has ended."""
    for earlier, folder in context.index.newest_first(record.stage):
        path = folder / CONFIG_NAME
        if earlier.name == record.name and path.is_file():
            with suppress(KeyError, TypeError, *INVALID_JSON):
                content = json.loads(path.read_text(encoding="utf-8"))
                for part in (content["job"], content["endpoint"]["deployment"]):
                    part["environment_variables"] = shown_values(part["environment_variables"])
                write_json(path, content, 0o600)


def _clear(content: Any, path: Sequence[str]) -> bool:
    """Replace the value of a key by null. Return whether the key exists."""
    name, *rest = path
    key = int(name) if isinstance(content, list) else name
    try:
        part = content[key]
    except (KeyError, IndexError, TypeError):
        return False
    if rest:
        return _clear(part, rest)
    content[key] = None
    return True


def fingerprint(config: Experiment, stage: Stage) -> str:
    """Return a hash of the code, and of all settings that influence the results of a stage.

    Two commands with the same fingerprint would submit the same job.
    """
    content = config.content()
    for key in (*COMMAND_KEYS, *_IRRELEVANT.get(stage, ())):
        content.pop(key, None)
    if stage.trains and config.job.code:
        content["code"] = snapshot_hash(Path(config.job.code), Path(config.outputs_dir))
    text = json.dumps(content, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def job_name(context: StageContext, stage: Stage) -> str:
    """Return the name of the job that the command resumes, or a new name."""
    # With `stage=all`, `run=` does not name the job of this stage.
    if context.config.stage is stage and context.config.run is not None:
        return str(context.config.run)
    return _submitted_job(context, stage) or new_job_name(stage.value)


def unfinished_endpoint(context: StageContext) -> str | None:
    """Return the newest unfinished endpoint of an earlier command; None if there is none.

    There are two kinds of unfinished endpoints. The first kind never had a completed deployment,
    for example because its first deployment failed. The second kind belongs to an interrupted
    `stage=all`, which could not delete its endpoint.
    """
    unfinished: list[str] = []
    settled = set()
    for record, folder in context.index.newest_first(Stage.deploy, Stage.cleanup):
        if not context.is_here(record) or record.name in settled:
            continue
        if record.stage is Stage.deploy and _is_unfinished(record, folder):
            unfinished.append(record.name)
        elif record.stage is Stage.deploy:
            settled.add(record.name)
            # This older deployment of the endpoint succeeded. The endpoint is therefore not
            # unfinished, even if newer deployments failed.
            unfinished = [name for name in unfinished if name != record.name]
        elif record.status is JobStatus.COMPLETED:
            settled.add(record.name)
    return next((name for name in unfinished if _may_exist(context, name)), None)


def completed_stages(context: StageContext) -> dict[Stage, Record]:
    """Return the completed stages of the newest unfinished `stage=all` with the same config."""
    if not context.workspace.outlives_command:
        return {}
    found = _newest_alike(context, Stage.all)
    if found is None or found[0].status is JobStatus.COMPLETED:
        return {}
    completed = {}
    for stage in _REUSED_STAGES:
        record = _load(found[1] / stage.value)
        if record is None or record.status is not JobStatus.COMPLETED:
            break
        completed[stage] = record
    return completed


def _unfinished_training(index: RecordIndex, name: str) -> UnfinishedJob:
    found = [
        UnfinishedJob(record, folder)
        for record, folder in index.newest_first(Stage.train)
        if record.name == name
    ]
    if not found:
        raise NotFoundError(f"run: no training run {name} in {index.outputs}; {START_ANOTHER}")
    newest = found[0]
    if has_ended(newest.record):
        raise NotFoundError(
            f"run: must name a training run that was not completed, got {name}, "
            f"which is Completed; {_train_on(newest.record)}; {START_ANOTHER}"
        )
    # A command that failed early saved no config. In this case, use the config of the newest
    # command that saved a config.
    with_config = next((job for job in found if job.config_path), newest)
    return UnfinishedJob(newest.record, with_config.folder)


def _train_on(record: Record) -> str:
    """Return the remedy for a user who wants to train a completed run for more epochs."""
    folder = Path(record.paths.get("folder", f"outputs/jobs/{record.name}"))
    checkpoints = folder / "named_outputs" / "checkpoints"
    start = f"+job.inputs.resume_from={{type: uri_folder, path: {hydra_text(str(checkpoints))}}}"
    return (
        "to train it for more epochs, start a new run with "
        f"mnist-exp stage=train model.epochs=N {shlex.quote(start)}"
    )


def _unfinished_sweep(index: RecordIndex, name: str | None) -> UnfinishedJob:
    """Return the unfinished sweep `name`; if `name` is None, the newest unfinished sweep."""
    ended = set()
    unfinished: dict[str, UnfinishedJob] = {}
    for record, folder in index.newest_first(Stage.sweep):
        job = UnfinishedJob(record, folder)
        if has_ended(record):
            ended.add(record.name)
        elif job.config_path:
            unfinished.setdefault(record.name, job)
    if name in ended:
        raise NotFoundError(
            f"run: must name an unfinished sweep, got {name}, which has ended; {START_ANOTHER}"
        )
    for known, job in unfinished.items():
        if known not in ended and name in (None, known):
            return job
    what = f"no sweep {name}" if name else "no unfinished sweep"
    raise NotFoundError(f"run: {what} in {index.outputs} to resume; {START_ANOTHER}")


def _submitted_job(context: StageContext, stage: Stage) -> str | None:
    """Return the name of the job of an unfinished command with the same fingerprint, or None."""
    if not context.workspace.outlives_command:
        return None
    found = _newest_alike(context, stage)
    if found is None or found[0].status is JobStatus.COMPLETED:
        return None
    name = found[0].name
    status = context.workspace.find_job(name)
    return None if status is not None and status.ended_badly else name


def _newest_alike(context: StageContext, stage: Stage) -> tuple[Record, Path] | None:
    """Return the newest earlier record with this command's fingerprint, and the record's folder."""
    wanted = fingerprint(context.config, stage)
    for record, folder in context.index.newest_first(stage):
        # This command's own record may already be in the index.
        if record.fingerprint == wanted and folder != context.folder.resolve():
            return record, folder
    return None


def _is_unfinished(record: Record, folder: Path) -> bool:
    """Return whether a deployment was not completed, or was part of a `stage=all`."""
    if record.status is not JobStatus.COMPLETED:
        return True
    parent = _load(folder.parent)
    return parent is not None and parent.stage is Stage.all


def _may_exist(context: StageContext, endpoint: str) -> bool:
    """Return whether an endpoint may exist.

    On Azure ML the result is always True. If the endpoint does not exist on Azure ML,
    `stage=deploy` creates an endpoint with the same name.
    """
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
