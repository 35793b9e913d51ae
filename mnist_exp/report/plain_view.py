"""The view that prints progress as plain lines, for logs and pipes."""

from mnist_exp.report.epochs import epochs_done, interval_unit, planned_epochs
from mnist_exp.report.format import number, pairs, plain, progress, trial_label
from mnist_exp.report.layout import print_line
from mnist_exp.report.view import ReasonPrinter, ViewSettings
from mnist_exp.results import JobResult, TrialResult

#: Minimum seconds between two lines about metrics. Lines about a status are never delayed.
_EVERY_S = 2.0


class PlainView:
    """A view that prints plain lines.

    The view prints a line for each new status, reason and message. Lines about new metrics are
    printed at most every `_EVERY_S` seconds.
    """

    def __init__(self, settings: ViewSettings) -> None:
        self._console = settings.console
        self._metric = settings.primary_metric
        self._total = settings.total
        self._noun = settings.noun
        self._clock = settings.clock
        self._reasons = ReasonPrinter(settings.console)
        self._status: dict[str, str] = {}
        self._events: dict[str, int] = {}
        self._next_metrics = -float("inf")

    def start(self) -> None:
        """Do nothing: lines need no preparation."""

    def stop(self, *, failed: bool) -> None:
        """Do nothing: printed lines need no cleanup."""

    def message(self, text: str) -> None:
        """Print a message, unless it contains a reason that has already been printed."""
        self._reasons.print_message(text)

    def job_changed(self, job: JobResult) -> None:
        """Print each change of the job and its trials."""
        if not job.status.is_finished:
            self._print_status(job.name, job.status.value, "")
        unit = interval_unit(planned_epochs(job.trials, self._total))
        for trial in job.trials:
            self._print_trial(job, trial, unit)
        self._reasons.print_reasons(job)
        if job.status.is_finished:
            # The summary or the error says why the job failed.
            self._print_status(job.name, job.status.value, pairs(job.last_metrics))
        elif not job.trials:
            self._print_metrics(job)

    def _print_trial(self, job: JobResult, trial: TrialResult, unit: str) -> None:
        label = f"{self._noun} {trial_label(trial.name, job.name)}"
        done = f"{unit} {self._progress(trial.events)}"
        detail = pairs(trial.parameters)
        if trial.status.is_finished:
            best = "" if trial.best is None else f"best {number(trial.best)}, "
            detail = f"{best}{done}"
        self._print_status(trial.name, trial.status.value, detail, label)
        if not trial.status.is_finished and self._is_due(trial.name, trial.events):
            best = "" if trial.best is None else f" (best {number(trial.best)})"
            values = f"{plain(self._metric)} {number(trial.last)}{best}"
            print_line(self._console, f"{label}: {done}: {values}")

    def _print_metrics(self, job: JobResult) -> None:
        events = epochs_done(job.metrics.get(self._metric, ()), self._total)
        if self._is_due(job.name, events):
            metrics = pairs(job.last_metrics)
            print_line(self._console, f"{job.name}: epoch {self._progress(events)}: {metrics}")

    def _print_status(self, name: str, status: str, detail: str, label: str = "") -> None:
        if self._status.get(name) != status:
            self._status[name] = status
            separator = ": " if detail else ""
            print_line(self._console, f"{label or name}: {status}{separator}{detail}")

    def _is_due(self, name: str, events: int) -> bool:
        """Return whether to print a line about new intervals now."""
        now = self._clock()
        if events <= self._events.get(name, 0) or now < self._next_metrics:
            return False
        self._events[name] = events
        self._next_metrics = now + _EVERY_S
        return True

    def _progress(self, events: int) -> str:
        return progress(events, self._total)
