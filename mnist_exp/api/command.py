"""A call of the Python API: a command without a command line."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from mnist_exp.api.display import DisplayMode, new_display
from mnist_exp.cli.composed_command import ComposedCommand, composed_command
from mnist_exp.cli.error_output import error_lines
from mnist_exp.cli.prepare import Prepared
from mnist_exp.errors import ConfigError, MnistExpError, OutputsError
from mnist_exp.experiment import Experiment
from mnist_exp.lazy import open_workspace, show_plugin
from mnist_exp.past_runs import PastRun
from mnist_exp.records import RecordIndex
from mnist_exp.stages import StageContext

#: The default outputs folder, which needs no override.
OUTPUTS_DIR = "outputs"


@dataclass(frozen=True)
class Settings:
    """The arguments that a call passes on to the calls of its handle.

    Attributes:
        config_dir: The folder with the config groups of the user, or None.
        display: The output of the call.
    """

    config_dir: Path | None = None
    display: DisplayMode = "auto"


@dataclass(frozen=True)
class Origin:
    """The call that returned a handle.

    Attributes:
        experiment: The config of the call. The path of the outputs folder is absolute.
        overrides: The overrides of the call, with the values of environment variables.
        settings: The settings of the call.
    """

    experiment: Experiment
    overrides: Sequence[str]
    settings: Settings

    @contextmanager
    def context(self) -> Iterator[StageContext]:
        """Open the workspace of the call again, in a `with` block."""
        outputs = Path(self.experiment.outputs_dir)
        display = new_display("none")
        with (
            own_errors(),
            closing(open_workspace(self.experiment, outputs, display.message)) as workspace,
        ):
            yield StageContext(
                config=self.experiment,
                folder=outputs,
                opener=lambda: workspace,
                index=RecordIndex(outputs),
                display=display,
            )


def composed(
    settings: Settings, overrides: Sequence[str], values: Mapping[str, object]
) -> ComposedCommand:
    """Compose and check the config of a call. Write no file."""
    with own_errors():
        return composed_command(overrides, values, settings.config_dir)


@contextmanager
def prepared(
    settings: Settings, stage: str, overrides: Sequence[str], values: Mapping[str, object]
) -> Iterator[tuple[Prepared, Origin]]:
    """Check a call and prepare its stage, in a `with` block. The block runs the stage."""
    command = composed(settings, [f"stage={stage}", *overrides], values)
    outputs = str(Path(command.experiment.outputs_dir).resolve())
    origin = Origin(replace(command.experiment, outputs_dir=outputs), command.overrides, settings)
    display = new_display(settings.display, command.experiment.overrides)
    with own_errors(), display.shown():
        found = command.prepare(display)
        with found.opened:
            yield found, origin


def executed(
    settings: Settings, stage: str, overrides: Sequence[str], values: Mapping[str, object]
) -> tuple[PastRun, Origin]:
    """Run a stage, as the command line does. Return the run, and the call.

    Raises:
        ConfigError: The config has faults. The error contains all faults.
        JobError: A job failed.
        MnistExpError: Another step of the stage failed.
    """
    with prepared(settings, stage, overrides, values) as (command, origin):
        record = command.run()
        return PastRun([record], [command.runner.context.folder]), origin


@contextmanager
def own_errors() -> Iterator[None]:
    """Raise an error of Hydra or of the operating system as an error of this package.

    The lines of the error are the lines that the command line prints.
    """
    try:
        yield
    except MnistExpError:
        raise
    except OSError as error:
        lines = error_lines(error)
        if lines is None:
            raise
        raise OutputsError(lines[0]) from error
    except Exception as error:
        lines = error_lines(error)
        if lines is None:
            raise
        raise ConfigError(lines) from error
    finally:
        # The user may use MLflow's plugin for Azure.
        show_plugin()
