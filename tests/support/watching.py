"""Two observers of a job: the first records the progress, the second also presses Ctrl-C."""

import os
import signal

from mnist_exp.results import JobResult


class Watcher:
    """An observer that records what it receives."""

    def __init__(self) -> None:
        self.seen: list[JobResult] = []
        self.messages: list[str] = []
        self.idles = 0

    def job_changed(self, job: JobResult) -> None:
        """Record the job."""
        self.seen.append(job)

    def message(self, text: str) -> None:
        """Record the message."""
        self.messages.append(text)

    def idle(self) -> None:
        """Count the call."""
        self.idles += 1


class Interrupting(Watcher):
    """An observer that presses Ctrl-C once, after the first metric of a job or of each trial.

    Args:
        trials: The number of trials; 0 for a job that is no sweep.
    """

    def __init__(self, trials: int = 0) -> None:
        super().__init__()
        self._trials = trials
        self._is_done = False

    def job_changed(self, job: JobResult) -> None:
        """Record the job, and press Ctrl-C if all metrics have arrived."""
        super().job_changed(job)
        logged = sum(bool(trial.events) for trial in job.trials)
        is_time = logged == self._trials if self._trials else bool(job.metrics)
        if is_time and not job.status.is_finished and not self._is_done:
            self._is_done = True
            os.kill(os.getpid(), signal.SIGINT)
