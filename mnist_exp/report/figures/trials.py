"""The appearance of trials in figures: colour, marker and line width.

A trial has the same appearance in every figure.
"""

from enum import Enum

from mnist_exp.report.figures.canvas import BLUE, GREY, PINK, VERMILLION
from mnist_exp.results import JobResult, TrialResult
from mnist_exp.status import JobStatus


class Appearance(Enum):
    """The way in which a trial ended, and the appearance of such trials in figures."""

    BEST = "best"
    COMPLETED = "completed"
    CUT = "cut early"
    CANCELED = "canceled"
    FAILED = "failed"
    UNFINISHED = "not finished"

    @property
    def colour(self) -> str:
        """The colour, in matplotlib's notation."""
        return _COLOURS[self]

    @property
    def marker(self) -> str:
        """The marker of a curve or a dot, in matplotlib's notation."""
        return _MARKERS[self]

    @property
    def marker_size(self) -> float:
        """The size of the marker in points."""
        return {Appearance.BEST: 13.0, Appearance.CUT: 7.5}.get(self, 5.5)

    @property
    def width(self) -> float:
        """The width of a line in points."""
        return 2.8 if self is Appearance.BEST else 1.3

    @property
    def zorder(self) -> float:
        """The drawing order. matplotlib draws higher values on top, so the best trial is on top."""
        return 5.0 if self is Appearance.BEST else 3.0

    def alpha(self, trials: int) -> float:
        """Return the opacity, from 0 to 1. With many trials, the lines are more transparent."""
        if self is Appearance.BEST:
            return 1.0
        return 0.9 if trials <= 20 else 0.5


_COLOURS = {
    Appearance.BEST: BLUE,
    Appearance.COMPLETED: GREY,
    Appearance.CUT: VERMILLION,
    Appearance.CANCELED: "#8d939b",
    Appearance.FAILED: PINK,
    Appearance.UNFINISHED: "#b8bec6",
}
_MARKERS = {
    Appearance.BEST: "*",
    Appearance.COMPLETED: "o",
    Appearance.CUT: "x",
    Appearance.CANCELED: "x",
    Appearance.FAILED: "s",
    Appearance.UNFINISHED: ">",
}
_ENDED = {
    JobStatus.COMPLETED: Appearance.COMPLETED,
    JobStatus.CANCELED: Appearance.CANCELED,
    JobStatus.FAILED: Appearance.FAILED,
}


def appearance_of(trial: TrialResult, job: JobResult) -> Appearance:
    """Return the appearance of a sweep's trial."""
    if trial.name == job.best:
        return Appearance.BEST
    if trial.cut is not None and trial.status is JobStatus.CANCELED:
        return Appearance.CUT
    return _ENDED.get(trial.status, Appearance.UNFINISHED)


def by_appearance(job: JobResult) -> dict[Appearance, list[TrialResult]]:
    """Return appearance -> trials. Leave out appearances without trials."""
    grouped: dict[Appearance, list[TrialResult]] = {appearance: [] for appearance in Appearance}
    for trial in job.trials:
        grouped[appearance_of(trial, job)].append(trial)
    return {appearance: trials for appearance, trials in grouped.items() if trials}
