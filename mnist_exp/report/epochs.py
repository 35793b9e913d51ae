"""The epochs of jobs and trials: how many are planned, and to which epoch a log event belongs.

A script usually logs its primary metric once in each epoch. Then the log events are epochs.
Otherwise tables and messages say `log event` instead of `epoch`. In both cases, Azure ML calls each
log event of the primary metric an interval.
"""

from collections.abc import Mapping, Sequence

from mnist_exp.metrics import MetricPoint
from mnist_exp.results import TrialResult


def planned_epochs(trials: Sequence[TrialResult], epochs: int | None) -> Mapping[str, int | None]:
    """Return trial -> number of epochs that the trial will run; None if log events are not epochs.

    Args:
        trials: The trials of a sweep.
        epochs: The number of epochs of a trial that has no parameter `epochs`; None if unknown.
    """
    planned = {trial.name: _drawn_epochs(trial) or epochs for trial in trials}
    whole = [trial for trial in trials if trial.cut is None]
    if any(trial.events > (planned[trial.name] or trial.events) for trial in whole):
        # The script logs more than once per epoch, so its log events are not epochs.
        return dict.fromkeys(planned)
    return planned


def event_unit(planned: Mapping[str, int | None]) -> str:
    """Return the word for one log event: `epoch` or `log event`.

    Args:
        planned: The result of `planned_epochs`.
    """
    return "epoch" if any(planned.values()) else "log event"


def epochs_done(points: Sequence[MetricPoint], total: int | None) -> int:
    """Return the number of epochs that a job has run.

    The steps of the log events may be the numbers of the epochs, or may count batches. If the last
    step can be the number of an epoch, return the last step. Otherwise return the number of log
    events.

    Args:
        points: The log events of one metric.
        total: The number of epochs that the job will run; None if unknown.
    """
    count = len(points)
    last = points[-1].step if points else 0
    return last if total is not None and count < last <= total else count


def event_numbers(points: Sequence[MetricPoint], total: int | None) -> Sequence[int]:
    """Return the number of each log event: its epoch if known, else its place, counted from 1.

    Args:
        points: The log events of one metric.
        total: The number of epochs that the job will run; None if unknown.
    """
    if epochs_done(points, total) > len(points):
        return [point.step for point in points]
    return range(1, len(points) + 1)


def _drawn_epochs(trial: TrialResult) -> int | None:
    """Return the trial's number of epochs; None if the sweep has no parameter `epochs`."""
    drawn = [value for key, value in trial.parameters.items() if key.split(".")[-1] == "epochs"]
    return int(drawn[0]) if drawn and isinstance(drawn[0], int | float) else None
