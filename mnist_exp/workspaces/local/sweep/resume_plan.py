"""Resume a sweep: read its journal, check its rules, and decide which trials resume."""

import json
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from mnist_exp.errors import OutputsError
from mnist_exp.metrics import MetricPoint, have_steps
from mnist_exp.same_job import START_ANOTHER, require_same_job
from mnist_exp.specs import SweepJob
from mnist_exp.status import JobStatus
from mnist_exp.sweeps.journal import History, Journal, Logged, read_history
from mnist_exp.sweeps.space.expressions import Expression
from mnist_exp.workspaces.local.jobs.folder import JobFolder
from mnist_exp.workspaces.local.sweep.journal_file import JournalFile
from mnist_exp.workspaces.local.tracking.database import MetricReader

#: The parts of a sweep's description that must be the same when the sweep resumes.
_RULES = ("command", "sampling_algorithm", "search_space", "objective", "early_termination")


def load_history(job: SweepJob, journal: JournalFile, *, has_trials: bool) -> History | None:
    """Return the state of a sweep from its journal; None if the sweep is new.

    Args:
        job: The sweep.
        journal: The journal of the sweep.
        has_trials: Whether a trial of the sweep has been started.

    Raises:
        OutputsError: The journal is damaged.
    """
    try:
        entries = list(journal.entries())
        if not entries and has_trials:
            raise ValueError("the file is empty, although trials have been started")
        if not entries:
            return None
        history = read_history(entries, job.objective.primary_metric)
        if not history.sweep:
            raise ValueError("the description of the sweep is missing")
    except (LookupError, ValueError) as error:
        raise OutputsError(
            f"run: the journal {journal.path} of sweep {job.name} is damaged ({error}); "
            f"restore the journal from a backup, or {START_ANOTHER}"
        ) from error
    return history


def as_submitted(job: SweepJob, history: History) -> SweepJob:
    """Return the job with the seed that was drawn when the sweep was submitted.

    Raises:
        RefusedError: The sweep was submitted with different rules.
    """
    kept: Mapping[str, Any] = history.sweep
    if job.sampling.seed is None:
        seed = kept.get("sampling_algorithm", {}).get("seed")
        job = replace(job, sampling=replace(job.sampling, seed=seed))
    rules = {part: value for part, value in description(job).items() if part in _RULES}
    require_same_job(f"sweep {job.name}", {part: kept.get(part) for part in rules}, rules)
    return job


def description(job: SweepJob) -> dict[str, Any]:
    """Return the description of a sweep for the journal, with the seed that was drawn."""
    policy = job.early_termination
    content = {
        "name": job.name,
        "command": job.trial.command,
        "sampling_algorithm": asdict(job.sampling),
        "search_space": _described(job.search_space),
        "objective": asdict(job.objective),
        "limits": asdict(job.limits),
        "early_termination": {"type": policy.type, **asdict(policy)} if policy else None,
    }
    # The description in the journal has lists where this description has tuples. Convert this
    # description to JSON and back, so that both descriptions can be compared.
    found: dict[str, Any] = json.loads(json.dumps(content))
    return found


def _described(value: Any) -> Any:
    """Convert expressions to mappings, including expressions inside the values of a choice."""
    if isinstance(value, Expression):
        own = {field.name: _described(getattr(value, field.name)) for field in fields(value)}
        return {"type": value.type, **own}
    if isinstance(value, Mapping):
        return {key: _described(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_described(part) for part in value]
    return value


@dataclass(frozen=True)
class ResumePlan:
    """A plan that says which unfinished trials resume and which restart.

    Attributes:
        ended: Trial index -> exit code, for each trial that ended while no command ran.
        resumed: Indices of the trials that keep their logged metrics: the trials in `ended`, and
            the trials that resume from their named outputs.
        restarted: Indices of the trials that restart at the beginning.
        stepless: Indices of the trials that have named outputs, but restart because these trials
            log the primary metric without steps.
        known_steps: (Trial index, metric) -> steps that a resumed trial has logged. When the trial
            resumes from a checkpoint, its script logs the steps after the checkpoint a second time.
        row: The number of the newest row of the MLflow store whose value is also in the journal;
            None for a new sweep.
    """

    ended: Mapping[int, int] = field(default_factory=dict)
    resumed: Sequence[int] = ()
    restarted: Sequence[int] = ()
    stepless: Sequence[int] = ()
    known_steps: Mapping[tuple[int, str], frozenset[int]] = field(default_factory=dict)
    row: int | None = None


def plan_resume(
    history: History,
    folders: Mapping[int, JobFolder],
    primary_metric: str,
    unread: Sequence[MetricPoint],
) -> ResumePlan:
    """Decide which unfinished trials resume and which restart.

    A trial resumes if it has named outputs, such as a checkpoint. But a trial that logs the primary
    metric without steps always restarts. After a checkpoint, a script may log the same value again.
    Without steps, the repeated value could not be recognized and would count twice.

    Args:
        history: The sweep so far.
        folders: Trial index -> folder of the trial, for each unfinished trial.
        primary_metric: The metric that the sweep optimizes.
        unread: The points that trials logged after the last entry of the journal.
    """
    running = [trial for trial in history.unfinished if trial.index in folders]
    codes = {trial.index: folders[trial.index].exit_code for trial in running}
    ended = {index: code for index, code in codes.items() if code is not None}
    with_outputs = {
        trial.index
        for trial in running
        if folders[trial.index].exists and folders[trial.index].has_outputs
    }
    points = {
        (trial.index, name): list(logged)
        for trial in running
        for name, logged in trial.metrics.items()
    }
    for point in unread:
        points.setdefault((point.trial, point.name), []).append(point)
    with_steps = {
        index
        for (index, name), logged in points.items()
        if name == primary_metric and have_steps(logged)
    }
    resumed = [index for index in codes if index in ended or index in with_outputs & with_steps]
    restarted = [index for index in codes if index not in resumed]
    stepless = [index for index in restarted if index in with_outputs]
    # Do not add the steps of these points here. The sweep's backend reads the points after the
    # resume, and adds their steps.
    known_steps = {
        (index, name): frozenset(point.step for point in history.trials[index].points(name))
        for (index, name), logged in points.items()
        if index in resumed and have_steps(logged)
    }
    return ResumePlan(
        ended, tuple(resumed), tuple(restarted), tuple(stepless), known_steps, history.row
    )


def unread_points(
    history: History, folders: Mapping[int, JobFolder], store: Path
) -> list[MetricPoint]:
    """Return the points that unfinished trials logged after the last entry of the journal."""
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
    """Add to the journal the last points of trials whose cancellation had been requested.

    A command may be killed after it asked a trial to end, but before the trial has ended. Such a
    trial does not run again, so the backend does not read its last points. This function adds these
    points to the journal, and sets the exit code of the trial.
    """
    for trial in history.trials:
        is_ending = trial.status is JobStatus.CANCEL_REQUESTED
        if not is_ending or not folders[trial.index].exists:
            continue
        trial.exit_code = folders[trial.index].exit_code
        for point in unread:
            if point.trial == trial.index:
                # Do not write the row number. With a row number, the journal would count all
                # earlier rows as read, including points of other trials that are not in the journal
                # yet.
                entry = Logged(replace(point, row=0), at=time.time())
                journal.append(entry)
                history.apply(entry, primary_metric)
