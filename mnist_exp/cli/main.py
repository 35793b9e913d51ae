"""The entry point: Hydra composes, we check, run and report."""

import gc
import os
import select
import signal
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from mnist_exp import __version__
from mnist_exp.cli.arguments import ordered
from mnist_exp.cli.display import RichDisplay
from mnist_exp.cli.execution import FULL_ERROR, check, execute, report_errors
from mnist_exp.cli.further_faults import all_faults
from mnist_exp.cli.hydra_errors import is_foreign
from mnist_exp.cli.paths import task_overrides
from mnist_exp.cli.schemas import register_schemas
from mnist_exp.config import Stage
from mnist_exp.errors import ConfigError, NotFoundError
from mnist_exp.records import RECORD_NAME, Record, load_record
from mnist_exp.status import JobStatus

_PACKAGE = Path(__file__).resolve().parent.parent


#: What libraries make as they are imported stays: to look for garbage after every 700 objects, as
#: Python does by itself, takes a fifth of a short command.
_OBJECTS_BETWEEN_COLLECTIONS = 50_000


def main() -> None:
    """Run `mnist-exp` and leave with its exit code."""
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS)
    try:
        try:
            _main()
        finally:
            # A last search among all the libraries takes a second, and the system takes all back.
            gc.freeze()
            if sys.stdout is not None:
                sys.stdout.flush()
    except BrokenPipeError:
        if not _reader_has_gone():
            raise
        # Python writes what is left once more when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(128 + signal.SIGPIPE)


def _reader_has_gone() -> bool:
    """Whether standard output is a pipe that nobody reads any more, as behind `| head -1`."""
    poll = select.poll()
    poll.register(sys.stdout, 0)
    return bool(poll.poll(0))


def _main() -> None:
    # Hydra prints errors in a way of its own unless this is set; we print them in ours.
    if os.environ.get("HYDRA_FULL_ERROR"):
        os.environ[FULL_ERROR] = "1"
    os.environ["HYDRA_FULL_ERROR"] = "1"
    command = _Command()
    with report_errors() as outcome:
        _interrupt_on_signals()
        sys.argv[1:] = ordered(sys.argv[1:])
        register_schemas()
    if outcome.exit_code:
        sys.exit(outcome.exit_code)
    if sys.argv[1:] == ["--version"]:
        print(f"mnist-exp {__version__}")
        return
    entry = hydra.main(version_base="1.3", config_path=str(_conf()), config_name="config")
    try:
        with report_errors() as outcome:
            _run(entry(command), without_a_stage=entry(_nothing))
    finally:
        if command.variants:
            RichDisplay().comparison(_labelled(command.variants))
    sys.exit(max(outcome.exit_code, command.exit_code))


def _run(command: Callable[[], None], without_a_stage: Callable[[], None]) -> None:
    try:
        command()
    except Exception as error:
        if os.environ.get(FULL_ERROR) or not is_foreign(error):
            raise
        raise ConfigError(all_faults(error, without_a_stage)) from error


def _nothing(_: DictConfig) -> None:
    """Stands for the command where its words are only composed."""


def _interrupt_on_signals() -> None:
    """Have SIGTERM and SIGHUP do what Ctrl-C does, unless they are ignored (as under nohup)."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler)


class _Command:
    """What Hydra calls for the run, or for each variant of a multirun."""

    # Hydra names a job after its function and looks for the module that defines it.
    __name__ = "mnist_exp"
    __qualname__ = "mnist_exp"

    def __init__(self) -> None:
        self.variants: list[tuple[list[str], Record]] = []
        self.exit_code = 0

    def __call__(self, composed: DictConfig) -> None:
        hydra_config = DictConfig(HydraConfig.get())
        is_variant = hydra_config.mode == RunMode.MULTIRUN
        record: Record | None = None
        # No error may reach Hydra: it would print it its own way, and end a multirun.
        with report_errors() as outcome:
            if is_variant:
                RichDisplay().variant(hydra_config.job.num, task_overrides(hydra_config))
                check(composed, hydra_config)
            record = execute(composed, hydra_config)
        self.exit_code = max(self.exit_code, outcome.exit_code)
        if is_variant:
            shown = record or _failed(composed, hydra_config, outcome.why)
            self.variants.append((task_overrides(hydra_config), shown))
        if outcome.interrupted:
            raise SystemExit(outcome.exit_code)


def _labelled(variants: list[tuple[list[str], Record]]) -> list[tuple[str, Record]]:
    """Name each variant by what tells it from the others; one alone by all that it was given."""
    common = set.intersection(*(set(words) for words, _ in variants))
    if len(variants) == 1:
        common = {word for word in common if word.startswith("stage=")}
    return [
        (" ".join(word for word in words if word not in common), record)
        for words, record in variants
    ]


def _failed(composed: DictConfig, hydra_config: DictConfig, why: str) -> Record:
    """Return the record that a failed variant left, or one that says why it left none."""
    try:
        return load_record(Path(hydra_config.runtime.output_dir) / RECORD_NAME)
    except NotFoundError:
        return Record(
            # Without a stage, which is then the fault, it stands for whatever there is.
            stage=Stage.all if OmegaConf.is_missing(composed, "stage") else Stage(composed.stage),
            name="",
            status=JobStatus.FAILED,
            started=datetime.now(UTC).isoformat(timespec="seconds"),
            why=why,
        )


def _conf() -> Path:
    """Return the config folder: inside the installed package, or beside it in the repository."""
    installed = _PACKAGE / "conf"
    return installed if installed.is_dir() else _PACKAGE.parent / "conf"
