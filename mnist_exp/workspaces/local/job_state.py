"""The state and the log of a job or a sweep that another command may run, and its cancellation.

The functions read the job's folder, the journal of a sweep, and the MLflow store. The argument
`jobs` of the functions is the folder `<outputs>/jobs`.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from mnist_exp.errors import JobError, OutputsError, RefusedError
from mnist_exp.results import JobResult
from mnist_exp.status import KILLED, JobStatus
from mnist_exp.sweeps.journal import (
    JOURNAL_NAME,
    Created,
    History,
    event_text,
    read_entries,
    read_history,
)
from mnist_exp.sweeps.ranking import Goal, Objective
from mnist_exp.sweeps.summary import summarize
from mnist_exp.workspaces.local.jobs.folder import JobFolder
from mnist_exp.workspaces.local.sweep.journal_file import JournalFile
from mnist_exp.workspaces.local.sweep.reporting import trial_result
from mnist_exp.workspaces.local.tracking.database import STORE_NAME, logged_metrics

#: Seconds between two looks at a running job.
_POLL_S = 0.2
#: The description of a sweep whose journal is empty.
_NO_SWEEP = {"objective": {"primary_metric": "", "goal": Goal.MAXIMIZE}}


def find_status(jobs: Path, name: str) -> JobStatus | None:
    """Return the status of a job or a sweep.

    Returns:
        None if the job does not exist, or has not ended and no command runs the job.
    """
    folder = JobFolder(jobs, name)
    if folder.is_running:
        return JobStatus.RUNNING
    try:
        # The description of a sweep has no status.
        status = JobStatus(folder.description().get("status") or _history(folder)[0].status)
    except (JobError, OutputsError, ValueError):
        return None
    return status if status.is_finished else None


def read_result(jobs: Path, name: str) -> JobResult | None:
    """Return the present result of a job, a sweep or a trial; None if the job does not exist."""
    folder = JobFolder(jobs, name)
    if (folder.path / JOURNAL_NAME).exists():
        return _sweep_result(jobs, folder)
    description = folder.description() if folder.exists else {}
    if "why" not in description:
        # The job, or a sweep without a journal yet, may only be starting.
        return JobResult(name, JobStatus.RUNNING) if folder.is_running else None
    status = find_status(jobs, name)
    return JobResult(
        name=name,
        status=status or JobStatus.FAILED,
        parameters=description.get("parameters", {}),
        metrics=logged_metrics(jobs.parent / STORE_NAME, folder.run_id),
        why=str(description["why"]) if status else KILLED,
        folder=str(folder.path),
        log=next(map(str, folder.existing_logs), None),
    )


def _sweep_result(jobs: Path, folder: JobFolder) -> JobResult:
    # Check whether the sweep runs before reading the journal, for the reason in `_lines`.
    is_running = folder.is_running
    history, objective = _history(folder)
    status = JobStatus.RUNNING if is_running else history.status
    is_killed = not is_running and not status.is_finished
    if not is_running:
        # The trials ended together with the sweep. Their ends are not in the journal.
        for trial in history.unfinished:
            trial.status, trial.why = JobStatus.CANCELED, KILLED if is_killed else ""
    why = history.finished.why if history.finished else ""
    best = summarize(history.trials, objective, why).best
    trials = [
        trial_result(
            folder.path.name,
            objective,
            trial,
            time.time(),
            JobFolder(jobs, f"{folder.path.name}_{trial.index}").log,
        )
        for trial in history.trials
    ]
    return JobResult(
        name=folder.path.name,
        status=JobStatus.FAILED if is_killed else status,
        parameters={} if best is None else trials[best].parameters,
        metrics={} if best is None else trials[best].metrics,
        why=KILLED if is_killed else why,
        folder=str(folder.path),
        trials=trials,
        best=None if best is None else trials[best].name,
    )


def _history(folder: JobFolder) -> tuple[History, Objective]:
    """Return the state of a sweep and the objective of the sweep.

    Raises:
        OutputsError: The journal is damaged.
    """
    journal = JournalFile(folder.path)
    with _readable(journal.path):
        entries = list(journal.entries())
        # The first entry describes the sweep. A sweep that is only starting has no entry.
        sweep = next((entry.sweep for entry in entries if isinstance(entry, Created)), _NO_SWEEP)
        goal, metric = Goal(sweep["objective"]["goal"]), str(sweep["objective"]["primary_metric"])
        return read_history(entries, metric), Objective(metric, goal)


@contextmanager
def _readable(journal: Path) -> Iterator[None]:
    """Report an error in the `with` block, which reads a journal, as a damaged journal."""
    try:
        yield
    except (LookupError, TypeError, ValueError) as error:
        raise OutputsError(f"run: the journal {journal} is damaged ({error})") from error


def cancel(jobs: Path, name: str) -> None:
    """Ask the command that runs a job to cancel the job, and wait until the job has ended.

    Raises:
        RefusedError: No command runs the job, or the job is a trial.
    """
    folder = JobFolder(jobs, name)
    sweep = name.rpartition("_")[0]
    if sweep and (jobs / sweep / JOURNAL_NAME).exists():
        raise RefusedError(
            f"run: must name a job or a sweep, got the trial {name}; to cancel the whole sweep, "
            f"use run={sweep}"
        )
    if not folder.is_running:
        status = find_status(jobs, name)
        state = f"is {status.value}" if status else "does not run"
        raise RefusedError(f"run: must name a running job, got {name}, which {state}")
    folder.cancel_request.touch()
    while folder.is_running:
        time.sleep(_POLL_S)
    folder.cancel_request.unlink(missing_ok=True)


def follow_log(jobs: Path, name: str) -> Iterator[str]:
    """Yield the lines of a job's log until the job has ended.

    The log of a sweep lists the events in its journal. If a job has several workers, the log of the
    first worker is followed. The logs of the other workers follow when the job has ended.
    """
    folder = JobFolder(jobs, name)
    journal = folder.path / JOURNAL_NAME
    while folder.is_running and not journal.exists() and not folder.existing_logs:
        time.sleep(_POLL_S)
    if journal.exists():
        yield from _sweep_events(journal, folder)
        return
    logs = folder.existing_logs
    for log in logs:
        if len(logs) > 1:
            yield f"{log.name}:"
        yield from _lines(log, folder)


def _sweep_events(journal: Path, folder: JobFolder) -> Iterator[str]:
    metric = ""
    for line in _lines(journal, folder):
        with _readable(journal):
            entries = list(read_entries(line))
            for entry in entries:
                if isinstance(entry, Created):
                    metric = str(entry.sweep["objective"]["primary_metric"])
        for entry in entries:
            if text := event_text(entry, metric):
                yield f"{datetime.fromtimestamp(entry.at).astimezone():%H:%M:%S} {text}"


def _lines(path: Path, folder: JobFolder) -> Iterator[str]:
    """Yield the lines of a file, to which a job may still append lines."""
    with path.open("rb") as file:
        rest = b""
        while True:
            # Check whether the job runs before reading. In the other order, the job could write its
            # last lines and end between the two steps, and these lines would be lost.
            is_running = folder.is_running
            *lines, rest = (rest + file.read()).split(b"\n")
            for line in [*lines, *([] if is_running or not rest else [rest])]:
                yield line.decode("utf-8", errors="replace")
            if not is_running:
                return
            time.sleep(_POLL_S)
