"""The entry point of the command line.

Hydra composes the config. We then check the config, run the stage and report errors.
"""

import gc
import io
import logging
import os
import select
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import hydra
from omegaconf import DictConfig

from mnist_exp import __version__
from mnist_exp.cli.arguments import flags_and_overrides, is_completion_query, is_utf8, only_prints
from mnist_exp.cli.compose import register_schemas
from mnist_exp.cli.error_output import (
    FULL_ERROR,
    READER_HAS_EXITED,
    error_lines,
    may_be_full,
    report_errors,
)
from mnist_exp.cli.hydra_errors import is_foreign
from mnist_exp.cli.primary import PrimaryConfig, primary_config
from mnist_exp.cli.written_text import quoted
from mnist_exp.errors import ConfigError
from mnist_exp.interrupts import handle_signals

#: Number of new objects after which Python collects garbage. Imported libraries create many objects
#: that are never garbage. With Python's default of 700, garbage collection takes a fifth of the
#: time of a short command.
_OBJECTS_BETWEEN_COLLECTIONS = 50_000


def main() -> None:
    """Run `mnist-exp` and exit with its exit code."""
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS)
    accept_all_letters()
    # If the reader of a pipe exits (`mnist-exp --info | head`), `logging` would print a traceback.
    logging.raiseExceptions = False
    try:
        try:
            _main()
        finally:
            # Skip Python's last garbage collection, which takes a second. The kernel frees the
            # memory anyway when the process ends.
            gc.freeze()
            if sys.stdout is not None:
                sys.stdout.flush()
    except BrokenPipeError:
        broken = _streams_without_reader()
        if not broken:
            raise
        # Python flushes the streams again at exit. Redirect the streams, so that this flush does
        # not fail too.
        for handle in broken:
            os.dup2(os.open(os.devnull, os.O_WRONLY), handle)
        sys.exit(READER_HAS_EXITED)
    except OSError as error:
        lines = None if os.environ.get(FULL_ERROR) else error_lines(error)
        if lines is None:
            raise
        print(f"error: {lines[0]}", file=sys.stderr)
        sys.exit(1)


def accept_all_letters() -> None:
    """Let standard output print a question mark for each letter that its encoding lacks.

    Tables, names and MLflow's values can contain any letter. The encoding may be e.g. latin-1.
    """
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
        sys.stdout.reconfigure(errors="replace")


def _streams_without_reader() -> list[int]:
    """Return the standard streams that are pipes whose reader has exited, e.g. `| head -1`."""
    poll = select.poll()
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            poll.register(stream, 0)
    return [handle for handle, _ in poll.poll(0)]


def _check_current_folder() -> None:
    """Check that the current folder exists, and that its path can be written into files.

    Raises:
        ConfigError: The folder was deleted, for example in another terminal, or its path has bytes
            that are not UTF-8.
    """
    try:
        folder = str(Path.cwd())
    except FileNotFoundError as error:
        raise ConfigError(
            ["current folder: must exist, but was deleted; change to another folder with cd"]
        ) from error
    if not is_utf8(folder):
        raise ConfigError(
            [f"current folder: the path must be UTF-8 text, got {folder!r}; rename the folder"]
        )


def _main() -> None:
    # With HYDRA_FULL_ERROR, Hydra raises its errors and does not print them. We print the errors in
    # our format.
    if os.environ.get("HYDRA_FULL_ERROR", "").lower() not in ("", "0", "false"):
        os.environ[FULL_ERROR] = "1"
    os.environ["HYDRA_FULL_ERROR"] = "1"
    with report_errors() as outcome:
        handle_signals()
        _check_current_folder()
        flags, overrides = flags_and_overrides(sys.argv[1:])
        register_schemas()
        primary = primary_config(flags, overrides)
        sys.argv[1:] = [*primary.flags, *primary.overrides, *map(quoted, overrides)]
    if outcome.exit_code:
        sys.exit(outcome.exit_code)
    if "--version" in flags:
        print(f"mnist-exp {__version__}")
        return
    if is_completion_query(flags, overrides):
        # Only the completion of a name of a run reads records.
        from mnist_exp.cli.completion import completed_words  # noqa: PLC0415

        words = completed_words(os.environ["COMP_LINE"])
        if words is not None:
            print(*words)
            return
    command = _Command(primary, flags, overrides)
    sys.exit(command.print() if only_prints(flags) else command.run())


@dataclass(frozen=True)
class _Command:
    """The command line, for Hydra.

    The imports of the stages take as long as all of Hydra. Therefore the methods import the stages,
    and a command that only prints does not.

    Attributes:
        primary: The primary config and Hydra's flags.
        flags: All flags.
        overrides: The overrides of the task's config.
    """

    primary: PrimaryConfig
    flags: list[str]
    overrides: list[str]

    def print(self) -> int:
        """Let Hydra print what the flags select, e.g. the config. Return the exit code."""
        with report_errors() as outcome:
            self._call(_NoTask())
        return outcome.exit_code

    def run(self) -> int:
        """Run the stage, or all variants of a multirun. Return the exit code."""
        from mnist_exp.cli.task import Task  # noqa: PLC0415

        task = Task()
        try:
            with report_errors() as outcome:
                self._call(task)
                task.run_waiting()
        except SystemExit:
            if task.error is not None:
                raise task.error from None
            raise
        finally:
            task.close()
        return max(outcome.exit_code, task.exit_code)

    def _call(self, task: Callable[[DictConfig], None]) -> None:
        """Let Hydra compose the config and call the task function.

        Raises:
            ConfigError: Hydra cannot compose the config. The error contains all faults.
        """
        folder, name = str(self.primary.folder), self.primary.name
        try:
            hydra.main(version_base="1.3", config_path=folder, config_name=name)(task)()
        # The reader of Hydra's output (`mnist-exp --help | head -1`) has exited.
        except BrokenPipeError:
            raise
        except Exception as error:
            if os.environ.get(FULL_ERROR) or not is_foreign(error) or may_be_full(error):
                raise
            from mnist_exp.cli.override_faults import all_faults  # noqa: PLC0415

            faults = all_faults(error, self.primary, self.overrides, self.flags)
            raise ConfigError(faults) from error


class _NoTask:
    """The task function of a command that only prints. Hydra reads its name, but never calls it."""

    __name__ = "mnist_exp"
    __qualname__ = "mnist_exp"

    def __call__(self, composed: DictConfig) -> None:
        raise NotImplementedError
