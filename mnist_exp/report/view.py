"""Classes that `TerminalView` and `PlainView` use: the settings, and the printer of messages."""

from collections.abc import Callable
from dataclasses import dataclass

from rich.console import Console

from mnist_exp.report.format import plain, trial_label
from mnist_exp.report.layout import print_line
from mnist_exp.results import JobResult
from mnist_exp.status import JobStatus


@dataclass(frozen=True)
class ViewSettings:
    """The settings of a view.

    Attributes:
        console: The console to print on.
        primary_metric: The metric whose intervals count as progress; may be empty.
        total: Expected number of intervals in a complete job, or in a complete trial of a sweep;
            None if unknown.
        trials: Maximum number of trials of a sweep; None if unknown.
        noun: The word for a trial: `trial`, or `variant` for the variants of a multirun.
        clock: Function that returns the time in seconds.
    """

    console: Console
    primary_metric: str
    total: int | None
    trials: int | None
    noun: str
    clock: Callable[[], float]


class ReasonPrinter:
    """A printer of messages, and of the reasons why trials ended.

    A workspace may report a reason in a message, in the `why` of a trial, or in both. The printer
    prints each reason only once, even if several trials fail for this reason.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._messages: list[str] = []
        self._reasons: list[str] = []
        self._ended: set[str] = set()

    def print_message(self, text: str) -> None:
        """Print a message, unless it contains a reason that has already been printed."""
        text = plain(text)
        self._messages.append(text)
        if not any(reason in text for reason in self._reasons):
            print_line(self._console, text)

    def print_reasons(self, job: JobResult) -> None:
        """Print why each newly ended trial ended, unless a message contains the reason."""
        for trial in job.trials:
            if not trial.status.is_finished or trial.name in self._ended:
                continue
            self._ended.add(trial.name)
            why = plain(trial.why)
            failed = trial.status is JobStatus.FAILED
            printed = (*self._messages, *self._reasons) if failed else self._messages
            if why and not any(why in text for text in printed):
                self._reasons.append(why)
                label = trial_label(trial.name, job.name)
                print_line(self._console, f"trial {label} {trial.status.value}: {why}")
