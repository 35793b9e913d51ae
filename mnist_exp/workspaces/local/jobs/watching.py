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
POLL_S = 0.25
#: Seconds between two queries for the epoch, if `compute.evict_after_epochs` requires an eviction.
#: The time is short, because an epoch may take only milliseconds.
_DRILL_POLL_S = 0.002


def run_job(job: CommandJob, host: JobHost) -> JobResult:
    """Run a job until it ends, and return the result.

    Raises:
        JobInterrupted: The user canceled the job. The job is recorded as Canceled.
    """
    watch = JobWatch(start_job(job, host), host)
    was_idle = False
    try:
        while not watch.has_ended():
            watch.running.wait(POLL_S)
            if not was_idle and watch.running.poll() is None:
                # Call `idle` only after the first wait. A very short script has ended by then, and
                # the imports in `idle` would delay its result.
                was_idle = True
                host.observer.idle()
    except KeyboardInterrupt:
        raise JobInterrupted(watch.close(BY_THE_USER)) from None
    except BaseException as error:
        watch.abandon(error)
        raise
    return watch.close()


class JobWatch:
    """The watch over one running job.

    The timeout applies to the total time of all attempts that this command starts. An attempt is
    one execution of the job's command. After an eviction there is a second attempt.

    Args:
        running: The job, which has just started.
        host: The context of the job.
    """

    def __init__(self, running: RunningJob, host: JobHost) -> None:
        self.running = running
        self._host = host
        self._began = time.monotonic()
        #: Metric name -> number of reported points; None before the first report.
        self._seen: dict[str, int] | None = None
        self._eviction = running.job.compute.evict_after_epochs
        self._canceled: str | None = None

    def has_ended(self) -> bool:
        """Return whether the job has ended. If not, report new metrics, and apply the timeout.

        Raises:
            KeyboardInterrupt: The user canceled the job.
        """
        if self._seen is None:
            self._seen = {}
            self._host.observer.job_changed(self.running.running({}))
        if self.running.poll() is not None:
            return True
        self._host.interrupts.check()
        if self._canceled is None and not self._is_late():
            self._report()
            if self._eviction is not None and _wait_for_epoch(self.running, self._eviction):
                self.running.evict()
                self._eviction = None
        return False

    def _is_late(self) -> bool:
        """Return whether the timeout has passed. If so, ask the job to end."""
        timeout = self.running.job.timeout
        if timeout is None or time.monotonic() - self._began <= timeout:
            return False
        self.running.terminate()
        self._canceled = f"canceled after job.timeout ({timeout} s)"
        return True

    def _report(self) -> None:
        metrics = self.running.histories()
        counts = {name: len(points) for name, points in metrics.items()}
        if counts != self._seen:
            self._seen = counts
            self._host.observer.job_changed(self.running.running(metrics))

    def close(self, canceled: str | None = None) -> JobResult:
        """Close the job, report its result to the observer, and return the result.

        Args:
            canceled: Why the job is canceled; None if the job has ended.
        """
        closed = self.running.close(canceled or self._canceled)
        result = replace(closed, metrics=self.running.histories())
        if canceled is None:
            self._host.observer.job_changed(result)
        return result

    def abandon(self, error: BaseException) -> None:
        """Cancel the job, because the command could not watch the job."""
        self.running.close(f"canceled, because the command could not watch the job: {error}")


def _wait_for_epoch(running: RunningJob, epoch: int) -> bool:
    """Wait up to `POLL_S` seconds for an epoch, and return whether the epoch is completed."""
    deadline = time.monotonic() + POLL_S
    while running.poll() is None and time.monotonic() < deadline:
        if running.epochs() >= epoch:
            return True
        time.sleep(_DRILL_POLL_S)
    return False
