"""From a composed config to a stage that has run: checks first, then the stage in its folder."""

import errno
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf, open_dict

from mnist_exp import checks
from mnist_exp.build import command_job, deployment_spec, endpoint_spec, model_spec
from mnist_exp.cli.display import RichDisplay
from mnist_exp.cli.dry_run import show_dry_run
from mnist_exp.cli.hydra_errors import explain, is_foreign
from mnist_exp.cli.kept_config import with_kept_config
from mnist_exp.cli.paths import task_overrides
from mnist_exp.cli.schemas import MissingKeysError, to_config, with_stand_ins
from mnist_exp.config import ExperimentConfig, Stage
from mnist_exp.errors import ConfigError, JobError, MnistExpError, OutputsError
from mnist_exp.lazy import open_workspace
from mnist_exp.records import Record, RecordIndex
from mnist_exp.report.format import printable
from mnist_exp.stages import RUNNERS, StageContext, StageRunner, run_stage
from mnist_exp.stages.all import AllStages
from mnist_exp.stages.earlier_records import model_source
from mnist_exp.workspaces.base import BY_THE_USER, Detached

FULL_ERROR = "MNIST_EXP_FULL_ERROR"
INTERRUPTED = 130
#: Before each of a failed job's last words.
QUOTED = "  | "

#: What the operating system says when the outputs folder cannot take what is written.
_UNWRITABLE = {errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS, errno.EPERM, errno.EFBIG}


@dataclass
class Outcome:
    """How a command, or a variant of a multirun, ended."""

    exit_code: int = 0
    why: str = ""

    @property
    def interrupted(self) -> bool:
        """Whether the user pressed Ctrl-C."""
        return self.exit_code == INTERRUPTED


def split(composed: DictConfig) -> tuple[DictConfig, DictConfig]:
    """Split a composed config with its `hydra` node into the task's part and Hydra's."""
    hydra_config = composed.hydra
    task = composed.copy()
    with open_dict(task):
        OmegaConf.set_readonly(task, False)
        del task["hydra"]
    return task, hydra_config


def config_faults(composed: DictConfig, hydra_config: DictConfig) -> Sequence[str]:
    """Return a line for each fault of a composed config, whatever else a command needs."""
    try:
        config = _config(composed, hydra_config)
    except Exception as error:
        lines = _lines(error)
        if lines is None:
            raise
        return lines
    return [] if config.stage is Stage.doctor else checks.faults(config)


def check(composed: DictConfig, hydra_config: DictConfig) -> None:
    """Check everything that can be checked while nothing has been written.

    Raises:
        MnistExpError: Something does not hold.
    """
    try:
        config = _config(composed, hydra_config)
    except MissingKeysError as missing:
        others = _other_faults(composed, hydra_config, missing.keys)
        raise ConfigError([*missing.lines, *others]) from None
    # The doctor tells what is wrong itself, with all the rest.
    if config.stage is not Stage.doctor and (faults := checks.faults(config)):
        raise ConfigError(faults)
    display = RichDisplay()
    for line in checks.warnings(config):
        display.warning(line)
    if config.dry_run:
        # Everything below may ask the network.
        return
    context = _context(config, Path(config.outputs_dir), display)
    if faults := _runner(config.stage).faults(context):
        raise ConfigError(faults)
    if config.stage is not Stage.doctor:
        _check_specs(context)
    probe(Path(config.outputs_dir))
    if hydra_config.mode == RunMode.RUN:
        probe(Path(hydra_config.run.dir), "hydra.run.dir")


def _other_faults(
    composed: DictConfig, hydra_config: DictConfig, missing: Sequence[str]
) -> list[str]:
    """Return what is wrong besides missing keys."""
    filled = with_stand_ins(composed, missing)
    if filled is None:
        return []
    try:
        faults = checks.faults(_config(filled, hydra_config))
    except MnistExpError as error:
        return list(error.lines)
    return [line for line in faults if not line.startswith(tuple(f"{key}:" for key in missing))]


def execute(composed: DictConfig, hydra_config: DictConfig) -> Record:
    """Run the stage that the config names in Hydra's run folder, and return its record.

    Raises:
        MnistExpError: What went wrong.
    """
    config = _config(composed, hydra_config)
    folder = Path(hydra_config.runtime.output_dir)
    if config.dry_run:
        return show_dry_run(config, folder)
    display = RichDisplay(task_overrides(hydra_config), _flags(hydra_config))
    return run_stage(_runner(config.stage), _context(config, folder, display))


def _flags(hydra_config: DictConfig) -> list[str]:
    """Return Hydra's flag for the user's own config folder, if it was given."""
    return [
        word
        for source in hydra_config.runtime.config_sources
        if source.provider == "command-line"
        for word in ("--config-dir", os.path.relpath(source.path))
    ]


def _config(composed: DictConfig, hydra_config: DictConfig) -> ExperimentConfig:
    config = to_config(composed, hydra_config)
    return with_kept_config(config, task_overrides(hydra_config))


@contextmanager
def report_errors() -> Iterator[Outcome]:
    """Print what goes wrong in the block, a line a fault, and note the exit code.

    With HYDRA_FULL_ERROR set by the user errors pass through with their traceback.
    """
    outcome = Outcome()
    try:
        yield outcome
    except Detached as detached:
        outcome.exit_code, outcome.why = INTERRUPTED, "detached by the user"
        print(f"detached: {detached} goes on where it runs", file=sys.stderr)
    except KeyboardInterrupt:
        outcome.exit_code, outcome.why = INTERRUPTED, BY_THE_USER
        print("canceled: what was running has been ended", file=sys.stderr)
    except Exception as error:
        if os.environ.get(FULL_ERROR):
            raise
        lines = _lines(error)
        if lines is None:
            raise
        outcome.exit_code, outcome.why = 1, lines[0]
        for line in lines:
            print(line if line.startswith(QUOTED) else f"error: {line}", file=sys.stderr)


def _lines(error: BaseException) -> tuple[str, ...] | None:
    """Return what to print for an error; None for one that is a fault of ours."""
    if isinstance(error, JobError):
        return (*error.lines, *(f"{QUOTED}{printable(line)}" for line in error.log_tail))
    if isinstance(error, MnistExpError):
        return error.lines
    if is_foreign(error):
        return (explain(error),)
    if isinstance(error, OSError) and error.errno in _UNWRITABLE:
        return (_unwritable(Path(error.filename2 or error.filename or "."), error),)
    return None


def _runner(stage: Stage) -> StageRunner:
    return AllStages() if stage is Stage.all else RUNNERS[stage]


def _context(config: ExperimentConfig, folder: Path, display: RichDisplay) -> StageContext:
    outputs = Path(config.outputs_dir)
    return StageContext(
        config=config,
        folder=folder,
        opener=cache(partial(open_workspace, config, outputs)),
        index=RecordIndex(outputs),
        display=display,
    )


def _check_specs(context: StageContext) -> None:
    """Have the workspace look at what the stage will give it; one that is not there says so."""
    config, workspace = context.config, context.workspace
    with context.display.watching(None, "") as observer:
        if config.stage in checks.TRAINING:
            # A new job's name is drawn when it starts; an old one's files are looked at.
            is_again = config.stage is Stage.train and config.run is not None
            name = RUNNERS[Stage.train].name(context) if is_again else "check"
            workspace.check(command_job(config, name), observer)
        if config.stage is Stage.register:
            workspace.check(model_spec(config, model_source(context)), observer)
        if config.stage in (Stage.deploy, Stage.all):
            endpoint = RUNNERS[Stage.deploy].name(context)
            workspace.check(endpoint_spec(config, endpoint), observer)
            workspace.check(deployment_spec(config, endpoint, "unknown:0"), observer)


def probe(folder: Path, key: str = "outputs_dir") -> None:
    """Write a little into a folder, made if need be, and leave everything as it was.

    Args:
        folder: The folder.
        key: The config key that names it.

    Raises:
        OutputsError: It cannot be written.
    """
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"\0" * 65536)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise OutputsError(_unwritable(folder, error, key)) from error
    finally:
        for path in made:
            # Another command may use it by now.
            with suppress(OSError):
                path.rmdir()


def _unwritable(path: Path, error: OSError, key: str = "outputs_dir") -> str:
    return (
        f"{key}: must be a folder that can be written, got {path} "
        f"({os.strerror(error.errno or 0)}); free space, or choose another with {key}=DIR"
    )
