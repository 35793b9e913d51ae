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
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from mnist_exp import __version__
from mnist_exp.cli.arguments import flags_and_overrides, is_completion_query, is_utf8
from mnist_exp.cli.completion import completed_words
from mnist_exp.cli.compose import register_schemas
from mnist_exp.cli.config_paths import task_overrides
from mnist_exp.cli.error_output import (
    FULL_ERROR,
    READER_HAS_EXITED,
    Outcome,
    error_lines,
    may_be_full,
    report_errors,
)
from mnist_exp.cli.hide_values import hidden_override, hide_values_of_variant
from mnist_exp.cli.hydra_errors import is_foreign
from mnist_exp.cli.override_faults import all_faults
from mnist_exp.cli.prepare import hide_values_of_multirun, prepared_command
from mnist_exp.cli.primary import PrimaryConfig, primary_config
from mnist_exp.cli.variants import Variants, can_wait, may_wait
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
    command = _Command()
    with report_errors() as outcome:
        handle_signals()
        _check_current_folder()
        command.flags, command.overrides = flags_and_overrides(sys.argv[1:])
        register_schemas()
        primary = primary_config(command.flags, command.overrides)
        sys.argv[1:] = [*primary.flags, *primary.overrides, *map(quoted, command.overrides)]
    if outcome.exit_code:
        sys.exit(outcome.exit_code)
    if "--version" in command.flags:
        print(f"mnist-exp {__version__}")
        return
    if is_completion_query(command.flags, command.overrides):
        words = completed_words(os.environ["COMP_LINE"])
        if words is not None:
            print(*words)
            return
    main_function = hydra.main(
        version_base="1.3", config_path=str(primary.folder), config_name=primary.name
    )
    try:
        with report_errors() as outcome:
            _run(main_function(command), command, primary)
            command.run_waiting()
    except SystemExit:
        if command.error is not None:
            raise command.error from None
        raise
    finally:
        # If Hydra cannot compose a variant, Hydra calls no command.
        hide_values_of_multirun()
        command.exit_code = max(command.exit_code, command.variants.compare().exit_code)
    sys.exit(max(outcome.exit_code, command.exit_code))


def _run(run_hydra: Callable[[], None], command: "_Command", primary: PrimaryConfig) -> None:
    """Let Hydra compose the config and call the command.

    Raises:
        ConfigError: Hydra cannot compose the config. The error contains all faults.
    """
    try:
        run_hydra()
    # The reader of Hydra's output (`mnist-exp --help | head -1`) has exited.
    except BrokenPipeError:
        raise
    except Exception as error:
        if os.environ.get(FULL_ERROR) or not is_foreign(error) or may_be_full(error):
            raise
        raise ConfigError(all_faults(error, primary, command.overrides, command.flags)) from error


class _Command:
    """The task function that Hydra calls for a single run and for each variant of a multirun."""

    # Hydra names a job after its task function and looks for the module that defines the function.
    __name__ = "mnist_exp"
    __qualname__ = "mnist_exp"

    def __init__(self) -> None:
        self.flags: list[str] = []
        self.overrides: list[str] = []
        self.variants = Variants()
        self.exit_code = 0
        #: An unexpected error: a bug of this program, or a BrokenPipeError.
        self.error: Exception | None = None

    def __call__(self, composed: DictConfig) -> None:
        hydra_config = DictConfig(HydraConfig.get())
        # Catch all errors. Otherwise Hydra would print the error in Hydra's format, and would end
        # the multirun.
        try:
            if hydra_config.mode == RunMode.MULTIRUN:
                outcome = self._run_variant(composed, hydra_config)
            else:
                with report_errors() as outcome:
                    prepared_command(composed, hydra_config).run()
        except Exception as error:
            self.error = error
            raise SystemExit(1) from error
        self._end(outcome)

    def run_waiting(self) -> None:
        """Run the variants that wait."""
        self._end(self.variants.run_waiting())

    def _run_variant(self, composed: DictConfig, hydra_config: DictConfig) -> Outcome:
        """Run a variant of a multirun, or let the variant wait."""
        number, record = hydra_config.job.num, None
        with report_errors() as outcome:
            # Hydra has just written these files.
            hide_values_of_multirun()
            hide_values_of_variant(hydra_config)
            if not may_wait(composed):
                # The variant may need the results of the variants that wait.
                self.run_waiting()
            overrides = [hidden_override(text) for text in task_overrides(hydra_config)]
            self.variants.add(overrides, composed, hydra_config)
            prepared = prepared_command(composed, hydra_config)
            if can_wait(prepared, hydra_config):
                self.variants.let_wait(number, prepared)
                return outcome
            record = prepared.run()
        self.variants.ended(number, record, outcome.why)
        return outcome

    def _end(self, outcome: Outcome) -> None:
        self.exit_code = max(self.exit_code, outcome.exit_code)
        if outcome.interrupted:
            raise SystemExit(outcome.exit_code)
