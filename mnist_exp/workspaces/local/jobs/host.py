"""The context of a local job: the objects that all jobs share, and the data of a trial."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from mnist_exp.interrupts import Interrupts
from mnist_exp.specs import Literal
from mnist_exp.workspaces.base import Observer
from mnist_exp.workspaces.local.environments.interpreter import Interpreter, this_interpreter
from mnist_exp.workspaces.local.jobs.inputs import SharedInputs
from mnist_exp.workspaces.local.processes.workers import Processes, Workers

if TYPE_CHECKING:
    from mnist_exp.workspaces.local.tracking.store import Tracking

#: A function that starts a job's processes. Its arguments are the command, the working directory,
#: the list of environments and the list of logs. Both lists have one entry per process.
ProcessLauncher = Callable[[str, Path, Sequence[Mapping[str, str]], Sequence[Path]], Processes]


@dataclass(frozen=True)
class JobHost:
    """The folder in which jobs run, and the objects that all jobs share.

    Attributes:
        root: The folder `<outputs>/jobs`.
        opener: Function that returns the MLflow store. The first call imports MLflow; later calls
            return the same store.
        observer: The observer, which receives the progress of jobs.
        interrupts: The interrupts of the user, e.g. by Ctrl-C, and cancel requests.
        interpreter: The Python that runs a job.
        served: The address of the tracking server for jobs whose environment may have a different
            version of MLflow than this program; None if jobs open the MLflow store themselves.
        launcher: The function that starts the processes of a job.
        fork_server: The folder of the fork server that runs the jobs of a multirun; None for other
            jobs.
        inputs: The inputs that the trials of a sweep share; None for a job that is not a trial.
    """

    root: Path
    opener: "Callable[[], Tracking]"
    observer: Observer
    interrupts: Interrupts
    interpreter: Interpreter = field(default_factory=this_interpreter)
    served: str | None = None
    launcher: ProcessLauncher = Workers
    fork_server: Path | None = None
    inputs: SharedInputs | None = None

    @property
    def tracking(self) -> "Tracking":
        """The MLflow store."""
        return self.opener()


@dataclass(frozen=True)
class TrialContext:
    """The data that only trials have, in addition to the data of a job.

    Attributes:
        sweep: The name of the sweep.
        run_id: The id of the sweep's MLflow run.
        parameters: Search-space key -> drawn value.
        restarts: Whether the trial restarts at the beginning. If so, the MLflow run of its earlier
            execution is deleted.
    """

    sweep: str
    run_id: str
    parameters: Mapping[str, Literal]
    restarts: bool = False
