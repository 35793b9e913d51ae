"""What a job on this machine is given: the place where it runs, and its sweep if it is a trial."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mnist_exp.specs import Literal
from mnist_exp.workspaces.base import Observer
from mnist_exp.workspaces.local.jobs.inputs import SharedInputs
from mnist_exp.workspaces.local.jobs.interrupts import Interrupts
from mnist_exp.workspaces.local.processes.workers import Processes, Workers

if TYPE_CHECKING:
    from mnist_exp.workspaces.local.tracking.store import Tracking

#: Starts a job's processes: command, folder, an environment for each, a log for each.
ProcessLauncher = Callable[[str, Path, Sequence[Mapping[str, str]], Sequence[Path]], Processes]


@dataclass(frozen=True)
class JobHost:
    """The place where jobs run.

    Attributes:
        root: `<outputs>/jobs`.
        opener: Returns the MLflow store, always the same one; the first call imports MLflow.
        observer: Receives progress.
        interrupts: Notes Ctrl-C and the signals that end a command.
        launcher: Starts the processes of a job.
        inputs: The inputs that trials share; None for a job outside a sweep.
    """

    root: Path
    opener: "Callable[[], Tracking]"
    observer: Observer
    interrupts: Interrupts
    launcher: ProcessLauncher = Workers
    inputs: SharedInputs | None = None

    @property
    def tracking(self) -> "Tracking":
        """The MLflow store."""
        return self.opener()


@dataclass(frozen=True)
class TrialContext:
    """What makes a job a trial.

    Attributes:
        sweep: The name of the sweep.
        run_id: The MLflow run of the sweep.
        parameters: The values that were drawn.
        restarts: Whether the trial discards what an earlier attempt has logged.
    """

    sweep: str
    run_id: str
    parameters: Mapping[str, Literal]
    restarts: bool = False
