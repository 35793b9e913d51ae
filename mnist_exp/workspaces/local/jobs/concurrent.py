"""Run several jobs, some of them at the same time."""

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress

from mnist_exp.interrupts import Interrupts
from mnist_exp.specs import CommandJob
from mnist_exp.workspaces.base import BY_THE_USER, JobInterrupted, Outcome
from mnist_exp.workspaces.local.jobs.host import JobHost
from mnist_exp.workspaces.local.jobs.start import start_job
from mnist_exp.workspaces.local.jobs.watching import POLL_S, JobWatch
from mnist_exp.workspaces.local.processes.workers import wait_for_any

#: The reason of a job whose command can no longer watch its jobs.
_COMMAND_ENDED = "canceled, because the command ended"


def run_jobs(
    jobs: Mapping[str, Callable[[], tuple[CommandJob, JobHost]]],
    max_concurrent: int,
    interrupts: Interrupts,
) -> Iterator[tuple[str, Outcome]]:
    """Run jobs, and yield the name and the outcome of each job when the job has ended.

    If a job cannot be started or watched, its outcome is the error. The other jobs continue.

    Args:
        jobs: Name -> a function that returns the job and its context. The function is called
            immediately before the job starts.
        max_concurrent: Maximum number of jobs that run at the same time.
        interrupts: The signals that the user sent to cancel the command.

    Raises:
        KeyboardInterrupt: The user canceled the command. The outcomes of all started jobs have been
            yielded.
    """
    waiting = deque(jobs.items())
    running: dict[str, JobWatch] = {}
    try:
        while waiting or running:
            ended = _ended(running)
            is_canceled = interrupts.are_pending
            if is_canceled:
                ended |= _canceled(running)
            while waiting and len(running) < max_concurrent and not interrupts.are_pending:
                name, prepared = waiting.popleft()
                try:
                    job, host = prepared()
                    running[name] = JobWatch(start_job(job, host), host)
                except Exception as error:
                    ended[name] = error
            # Yield only now, so that a job that has ended delays no other job.
            yield from ended.items()
            if is_canceled:
                interrupts.check()
            if running:
                handles = (each for watch in running.values() for each in watch.running.handles)
                wait_for_any(handles, POLL_S)
    finally:
        for watch in running.values():
            watch.running.terminate()
        for watch in running.values():
            _closed(watch, _COMMAND_ENDED)


def _ended(running: dict[str, JobWatch]) -> dict[str, Outcome]:
    """Return the outcomes of the jobs that have ended, and remove these jobs from `running`."""
    outcomes = {name: _outcome(watch) for name, watch in running.items()}
    ended = {name: outcome for name, outcome in outcomes.items() if outcome is not None}
    for name in ended:
        del running[name]
    return ended


def _outcome(watch: JobWatch) -> Outcome | None:
    """Return the outcome of a job; None while the job runs."""
    try:
        return watch.close() if watch.has_ended() else None
    except KeyboardInterrupt:
        # Another command has canceled this job.
        return _closed(watch, BY_THE_USER)
    except Exception as error:
        return _abandoned(watch, error)


def _canceled(running: dict[str, JobWatch]) -> dict[str, Outcome]:
    """Cancel all jobs, and return their outcomes."""
    for watch in running.values():
        watch.running.terminate()
    return {name: _closed(running.pop(name), BY_THE_USER) for name in list(running)}


def _closed(watch: JobWatch, why: str) -> Outcome:
    """Close a job that is canceled, and return its outcome: an error if the job is not closed."""
    try:
        return JobInterrupted(watch.close(why))
    except Exception as error:
        return _abandoned(watch, error)


def _abandoned(watch: JobWatch, error: Exception) -> Exception:
    """Cancel a job because of an error, and return the error."""
    # The MLflow store may be the cause, so canceling the job may fail too.
    with suppress(Exception):
        watch.abandon(error)
    return error
