"""How a trial looks in every figure: by how it ended."""

from enum import Enum

from mnist_exp.report.figures.canvas import BLUE, GREY, PINK, VERMILLION
from mnist_exp.results import JobResult, TrialResult
from mnist_exp.status import JobStatus


class Look(Enum):
    """How a trial ended, and the colour, marker and width that say so."""

    BEST = "best"
    COMPLETED = "completed"
    CUT = "cut early"
    CANCELED = "canceled"
    FAILED = "failed"
    UNFINISHED = "not finished"

    @property
    def colour(self) -> str:
        """As matplotlib takes it."""
        return _COLOURS[self]

    @property
    def marker(self) -> str:
        """What stands at the end of a curve."""
        return _MARKERS[self]

    @property
    def marker_size(self) -> float:
        """In points."""
        return {Look.BEST: 13.0, Look.CUT: 7.5}.get(self, 5.5)

    @property
    def width(self) -> float:
        """Of a line, in points."""
        return 2.8 if self is Look.BEST else 1.3

    @property
    def zorder(self) -> float:
        """The best one lies on top."""
        return 5.0 if self is Look.BEST else 3.0

    def alpha(self, trials: int) -> float:
        """Opacity: lower where many lines lie over each other."""
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
    """Return how a trial of a sweep is drawn."""
    if trial.name == job.best:
        return Look.BEST
    if trial.cut is not None and trial.status is JobStatus.CANCELED:
        return Look.CUT
    return _ENDED.get(trial.status, Look.UNFINISHED)


def looks(job: JobResult) -> dict[Look, list[TrialResult]]:
    """Return the trials of each look that occurs."""
    grouped = {look: [t for t in job.trials if look_of(t, job) is look] for look in Look}
    return {look: trials for look, trials in grouped.items() if trials}
