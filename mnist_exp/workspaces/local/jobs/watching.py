"""Run a job and watch it: report its metrics, and apply its timeout and its eviction."""

import time
from dataclasses import replace

from mnist_exp.results import JobResult
from mnist_exp.specs import CommandJob
from mnist_exp.workspaces.base import BY_THE_USER, JobInterrupted
from mnist_exp.workspaces.local.jobs.host import JobHost
from mnist_exp.workspaces.local.jobs.running_job import RunningJob
from mnist_exp.workspaces.local.jobs.start import start_job

#: Seconds between two queries for a job's metrics.
_POLL_S = 0.25
#: Seconds between two queries for the epoch, if `compute.evict_after_epochs` requires an eviction.
#: The time is short, because an epoch may take only milliseconds.
_DRILL_POLL_S = 0.002


def run_job(job: CommandJob, host: JobHost) -> JobResult:
    """Run a job until it ends, and return the result.

    Raises:
        JobInterrupted: The user canceled the job. The job is recorded as Canceled.
    """
    running = start_job(job, host)
    try:
        canceled = _watch(running, host)
    except KeyboardInterrupt:
        raise JobInterrupted(_closed(running, BY_THE_USER)) from None
    except BaseException as error:
        running.close(f"canceled, because the command could not watch the job: {error}")
        raise
    result = _closed(running, canceled)
    host.observer.job_changed(result)
    return result


def _closed(running: RunningJob, canceled: str | None) -> JobResult:
    return replace(running.close(canceled), metrics=running.histories())


def _watch(running: RunningJob, host: JobHost) -> str | None:
    """Watch a job until it ends.

    Returns:
        A text that explains why the job is canceled; None if the job ended by itself.
    """
    # The timeout applies to the total time of all attempts that this command starts. An attempt is
    # one execution of the job's command. After an eviction there is a second attempt.
    timeout, began = running.job.timeout, time.monotonic()
    seen: dict[str, int] = {}
    host.observer.job_changed(running.running({}))
    was_idle = False
    eviction = running.job.compute.evict_after_epochs
    while running.poll() is None:
        host.interrupts.check()
        if timeout is not None and time.monotonic() - began > timeout:
            running.terminate()
            return f"canceled after job.timeout ({timeout} s)"
        metrics = running.histories()
        counts = {name: len(points) for name, points in metrics.items()}
        if counts != seen:
            seen = counts
            host.observer.job_changed(running.running(metrics))
        if eviction is not None and _wait_for_epoch(running, eviction):
            running.evict()
            eviction = None
        running.wait(_POLL_S)
        if not was_idle and running.poll() is None:
            # Call `idle` only after the first wait. A very short script has ended by then, and the
            # imports in `idle` would delay its result.
            was_idle = True
            host.observer.idle()
    return None


def _wait_for_epoch(running: RunningJob, epoch: int) -> bool:
    """Wait up to `_POLL_S` seconds for an epoch, and return whether the epoch is completed."""
    deadline = time.monotonic() + _POLL_S
    while running.poll() is None and time.monotonic() < deadline:
        if running.epochs() >= epoch:
            return True
        time.sleep(_DRILL_POLL_S)
    return False
