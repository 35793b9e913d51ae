"""How a resumed sweep treats the trials that its last command left unfinished."""

import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path

from mnist_exp.metrics import MetricPoint, have_steps
from mnist_exp.status import JobStatus
from mnist_exp.sweeps.journal import History, Journal, Logged
from mnist_exp.workspaces.local.jobs.folder import JobFolder
from mnist_exp.workspaces.local.tracking.database import MetricReader


@dataclass(frozen=True)
class RestartPlan:
    """What happens to each unfinished trial.

    Attributes:
        ended: Index -> exit code of each trial that ended while no command ran.
        kept: The trials that ended so, and those that resume from their named outputs.
        again: The trials that restart at the beginning.
        stepless: The trials that restart although they have named outputs.
        known_steps: (Index, metric) -> the steps that a kept trial has logged. A script that
            resumes a little before the point where it was killed logs some steps a second time.
        row: The last row of the store that the journal has; None for a new sweep.
    """

    ended: Mapping[int, int] = field(default_factory=dict)
    kept: Sequence[int] = ()
    again: Sequence[int] = ()
    stepless: Sequence[int] = ()
    known_steps: Mapping[tuple[int, str], frozenset[int]] = field(default_factory=dict)
    row: int | None = None


def plan_restart(
    history: History,
    folders: Mapping[int, JobFolder],
    primary_metric: str,
    unread: Sequence[MetricPoint],
) -> RestartPlan:
    """Decide which unfinished trials resume and which restart.

    A trial resumes if it has named outputs, such as a checkpoint. A trial that logs the primary
    metric without steps restarts instead: values that it logs a second time could not be
    recognized, and would count twice.

    Args:
        history: The sweep so far.
        folders: The folder of each unfinished trial.
        primary_metric: The metric that the sweep optimizes.
        unread: What trials logged after the last entry of the journal.
    """
    running = [trial for trial in history.unfinished if trial.index in folders]
    codes = {trial.index: folders[trial.index].exit_code for trial in running}
    ended = {index: code for index, code in codes.items() if code is not None}
    with_outputs = {
        trial.index
        for trial in running
        if folders[trial.index].exists and folders[trial.index].has_outputs
    }
    with_steps = set()
    for trial in running:
        later = [
            point for point in unread if (point.trial, point.name) == (trial.index, primary_metric)
        ]
        if have_steps([*trial.points(primary_metric), *later]):
            with_steps.add(trial.index)
    kept = [index for index in codes if index in ended or index in with_outputs & with_steps]
    again = [index for index in codes if index not in kept]
    stepless = [index for index in again if index in with_outputs]
    known_steps = {
        (index, name): frozenset(point.step for point in points)
        for index in kept
        for name, points in history.trials[index].metrics.items()
        if have_steps(points)
    }
    return RestartPlan(ended, tuple(kept), tuple(again), tuple(stepless), known_steps, history.row)


def unread_points(
    history: History, folders: Mapping[int, JobFolder], store: Path
) -> list[MetricPoint]:
    """Return what unfinished trials logged after the last entry of the journal."""
    trials = {folder.run_id: index for index, folder in folders.items() if folder.exists}
    with closing(MetricReader(store, history.row)) as reader:
        return reader.read(trials)


def record_last_values(
    history: History,
    folders: Mapping[int, JobFolder],
    unread: Sequence[MetricPoint],
    journal: Journal,
    primary_metric: str,
) -> None:
    """Record what trials logged that were being ended when the command was killed.

    These trials do not run again, so no later command would read their last values.
    """
    for trial in history.trials:
        is_ending = trial.status is JobStatus.CANCEL_REQUESTED
        if not is_ending or not folders[trial.index].exists:
            continue
        trial.exit_code = folders[trial.index].exit_code
        for point in unread:
            if point.trial == trial.index:
                # Without its row: earlier rows of other trials have yet to be read.
                entry = Logged(replace(point, row=0), at=time.time())
                journal.append(entry)
                history.apply(entry, primary_metric)
