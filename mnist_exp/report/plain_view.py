"""Progress as plain lines, for logs and pipes."""

from collections.abc import Callable

from rich.console import Console

from mnist_exp.report.consoles import print_line
from mnist_exp.report.decisions import Decisions
from mnist_exp.report.format import epochs_done, number, pairs, plain, progress, trial_label
from mnist_exp.results import JobResult, TrialResult

#: Seconds between two lines about metrics; changes of status are never held back.
_EVERY_S = 2.0


class PlainView:
    """Prints a line for each new status, decision and message, and for metrics now and then."""

    def __init__(
        self,
        console: Console,
        primary_metric: str,
        total: int | None,
        clock: Callable[[], float],
    ) -> None:
        self._console = console
        self._metric = primary_metric
        self._total = total
        self._clock = clock
        self._decisions = Decisions()
        self._status: dict[str, str] = {}
        self._events: dict[str, int] = {}
        self._next_metrics = -float("inf")

    def start(self) -> None:
        """Nothing is kept open."""

    def stop(self, *, failed: bool) -> None:
        """Nothing was kept open."""

    def message(self, text: str) -> None:
        """Print the message unless it has been told."""
        if self._decisions.is_news(text):
            print_line(self._console, plain(text))

    def job_changed(self, job: JobResult) -> None:
        """Print what is new about the job and its trials."""
        if not job.status.is_finished:
            self._tell_status(job.name, job.status.value, "")
        for trial in job.trials:
            self._tell_trial(job, trial)
        for line in self._decisions.ended(job):
            print_line(self._console, line)
        if job.status.is_finished:
            self._tell_status(job.name, job.status.value, _end(job))
        elif not job.trials:
            self._tell_metrics(job)

    def _tell_trial(self, job: JobResult, trial: TrialResult) -> None:
        label = f"trial {trial_label(trial.name, job.name)}"
        detail = pairs(trial.parameters)
        if trial.status.is_finished:
            detail = f"best {number(trial.best)}, interval {self._progress(trial.events)}"
        self._tell_status(trial.name, trial.status.value, detail, label)
        if not trial.status.is_finished and self._is_due(trial.name, trial.events):
            values = f"{plain(self._metric)} {number(trial.last)} (best {number(trial.best)})"
            print_line(self._console, f"{label}: interval {self._progress(trial.events)}: {values}")

    def _tell_metrics(self, job: JobResult) -> None:
        events = epochs_done(job.metrics.get(self._metric, ()), self._total)
        if self._is_due(job.name, events):
            metrics = pairs(job.last_metrics)
            print_line(self._console, f"{job.name}: epoch {self._progress(events)}: {metrics}")

    def _tell_status(self, name: str, status: str, detail: str, label: str = "") -> None:
        if self._status.get(name) != status:
            self._status[name] = status
            separator = ": " if detail else ""
            print_line(self._console, f"{label or name}: {status}{separator}{detail}")

    def _is_due(self, name: str, events: int) -> bool:
        """Whether there are new log events and the last line about any was long enough ago."""
        now = self._clock()
        if events <= self._events.get(name, 0) or now < self._next_metrics:
            return False
        self._events[name] = events
        self._next_metrics = now + _EVERY_S
        return True

    def _progress(self, events: int) -> str:
        return progress(events, self._total)


def _end(job: JobResult) -> str:
    return plain(job.why) or pairs(job.last_metrics)
