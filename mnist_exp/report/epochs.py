"""The epochs of jobs and trials: how many are planned, and to which epoch an interval belongs.

Each time that a script logs its primary metric is an interval. This is Azure ML's word. A script
usually logs its primary metric once in each epoch. Then the intervals are epochs. Otherwise tables,
figures and messages count intervals.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from mnist_exp.metrics import MetricPoint, have_steps
from mnist_exp.results import TrialResult


class Interval(NamedTuple):
    """An interval: one of the times that a script logged its primary metric.

    Attributes:
        number: Its epoch if known, else its place in the log, counted from 1.
        step: The step that the script logged.
    """

    number: int
    step: int


class HorizontalAxis(NamedTuple):
    """The horizontal axis of a panel with curves of metrics.

    Attributes:
        unit: `epoch`, `step` (the step that the script logged) or `interval`.
        numbers: For each curve, the position of each point.
    """

    unit: str
    numbers: Sequence[Sequence[int]]


def planned_epochs(trials: Sequence[TrialResult], epochs: int | None) -> Mapping[str, int | None]:
    """Return trial -> number of epochs that the trial will run; None if intervals are not epochs.

    Args:
        trials: The trials of a sweep.
        epochs: The number of epochs of a trial that has no parameter `epochs`; None if unknown.
    """
    planned = {trial.name: _drawn_epochs(trial) or epochs for trial in trials}
    whole = [trial for trial in trials if trial.cut is None]
    if any(trial.events > (planned[trial.name] or trial.events) for trial in whole):
        # The script logs more than once per epoch, so its intervals are not epochs.
        return dict.fromkeys(planned)
    return planned


def interval_unit(planned: Mapping[str, int | None]) -> str:
    """Return the word for one interval: `epoch` or `interval`.

    Args:
        planned: The result of `planned_epochs`.
    """
    return "epoch" if any(planned.values()) else "interval"


def epochs_done(points: Sequence[MetricPoint], total: int | None) -> int:
    """Return the number of epochs that a job has run.

    The steps of the logged values may be the numbers of the epochs, or may count batches. If the
    last step can be the number of an epoch, return the last step. Otherwise return the number of
    logged values.

    Args:
        points: The logged values of one metric.
        total: The number of epochs that the job will run; None if unknown.
    """
    count = len(points)
    last = points[-1].step if points else 0
    return last if total is not None and count < last <= total else count


def value_numbers(points: Sequence[MetricPoint], total: int | None, late: int = 0) -> Sequence[int]:
    """Return the number of each logged value: its epoch if known, else its place, counted from 1.

    Args:
        points: The logged values of one metric.
        total: The number of epochs that the job will run; None if unknown.
        late: Number of values after the decision to end the trial. The speed of the machine
            determines this number. Late values therefore do not change the other numbers.
    """
    in_time = points[: max(len(points) - late, 0)]
    if epochs_done(in_time, total) > len(in_time):
        return [point.step for point in points]
    return range(1, len(points) + 1)


def best_interval(trial: TrialResult, metric: str, epochs: int | None) -> Interval | None:
    """Return the interval of a trial's best value; None if no interval has the value.

    Args:
        trial: A trial of a sweep.
        metric: The sweep's primary metric.
        epochs: The number of epochs that the trial will run; None if unknown.
    """
    points = trial.metrics.get(metric, ())
    numbered = zip(value_numbers(points, epochs, trial.late), points, strict=True)
    found = (Interval(number, one.step) for number, one in numbered if one.value == trial.best)
    return next(found, None)


def horizontal_axis(
    curves: Sequence[Sequence[MetricPoint]], epochs: int | None = None, late: int = 0
) -> HorizontalAxis:
    """Return the horizontal axis of a panel: epochs if known, else steps if the script logs steps.

    Args:
        curves: The logged values of each metric or job in the panel.
        epochs: The number of epochs of the job; None if unknown.
        late: The same as for `value_numbers`.
    """
    is_by_epoch = bool(epochs) and all(len(points) - late <= (epochs or 0) for points in curves)
    if not is_by_epoch and all(map(have_steps, curves)):
        return HorizontalAxis("step", [[point.step for point in points] for points in curves])
    numbers = [value_numbers(points, epochs, late) for points in curves]
    return HorizontalAxis("epoch" if is_by_epoch else "interval", numbers)


def _drawn_epochs(trial: TrialResult) -> int | None:
    """Return the trial's number of epochs; None if the sweep has no parameter `epochs`."""
    drawn = [value for key, value in trial.parameters.items() if key.split(".")[-1] == "epochs"]
    return int(drawn[0]) if drawn and isinstance(drawn[0], int | float) else None
