"""The appearance of trials in figures: colour, marker and line width.

A trial has the same appearance in every figure.
"""

from enum import Enum

from mnist_exp.report.figures.canvas import BLUE, GREY, PINK, VERMILLION
from mnist_exp.results import JobResult, TrialResult
from mnist_exp.status import JobStatus


class Look(Enum):
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
        """The marker at the end of a curve."""
        return _MARKERS[self]

    @property
    def marker_size(self) -> float:
        """The size of the marker in points."""
        return {Look.BEST: 13.0, Look.CUT: 7.5}.get(self, 5.5)

    @property
    def width(self) -> float:
        """The width of a line in points."""
        return 2.8 if self is Look.BEST else 1.3

    @property
    def zorder(self) -> float:
        """The drawing order. matplotlib draws higher values on top, so the best trial is on top."""
        return 5.0 if self is Look.BEST else 3.0

    def alpha(self, trials: int) -> float:
        """Return the opacity, from 0 to 1. With many trials, the lines are more transparent."""
        if self is Look.BEST:
            return 1.0
        return 0.9 if trials <= 20 else 0.5


_COLOURS = {
    Look.BEST: BLUE,
    Look.COMPLETED: GREY,
    Look.CUT: VERMILLION,
    Look.CANCELED: "#8d939b",
    Look.FAILED: PINK,
    Look.UNFINISHED: "#b8bec6",
}
_MARKERS = {
    Look.BEST: "*",
    Look.COMPLETED: "o",
    Look.CUT: "x",
    Look.CANCELED: "x",
    Look.FAILED: "s",
    Look.UNFINISHED: ">",
}
_ENDED = {
    JobStatus.COMPLETED: Look.COMPLETED,
    JobStatus.CANCELED: Look.CANCELED,
    JobStatus.FAILED: Look.FAILED,
}


def look_of(trial: TrialResult, job: JobResult) -> Look:
    """Return the appearance of a sweep's trial."""
    if trial.name == job.best:
        return Look.BEST
    if trial.cut is not None and trial.status is JobStatus.CANCELED:
        return Look.CUT
    return _ENDED.get(trial.status, Look.UNFINISHED)


def looks(job: JobResult) -> dict[Look, list[TrialResult]]:
    """Return appearance -> trials. Leave out appearances without trials."""
    grouped = {look: [t for t in job.trials if look_of(t, job) is look] for look in Look}
    return {look: trials for look, trials in grouped.items() if trials}
