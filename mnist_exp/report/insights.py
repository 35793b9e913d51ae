"""Insights from a sweep: the best trial, the saved epochs, and the importance of parameters.

The saved epochs are the epochs that trials did not run because early termination cut the trials.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from mnist_exp.report.format import epochs_done, number, trial_label
from mnist_exp.results import JobResult, TrialResult
from mnist_exp.sweeps.importance import parameter_importance


def sweep_insights(job: JobResult, primary_metric: str, epochs: int | None) -> dict[str, Any]:
    """Return the insights from a sweep that has ended.

    Args:
        job: The sweep with its trials.
        primary_metric: The sweep's primary metric.
        epochs: Expected number of log events in a complete trial; None if unknown.

    Returns:
        A mapping with these keys. A key is missing if its value is unknown.
        `winner`: a text about the best trial.
        `saved`: a mapping with `epochs` (the number of saved epochs), `of` (the number of all
        planned epochs) and `trials` (the number of cut trials).
        `savings`: the numbers of `saved` as a text.
        `importance`: parameter -> share of the influence on the best value.
    """
    found: dict[str, Any] = {}
    planned = {trial.name: _epochs_of(trial) or epochs for trial in job.trials}
    whole = [trial for trial in job.trials if trial.cut is None]
    if any(trial.events > (planned[trial.name] or trial.events) for trial in whole):
        # The script logs more than once per epoch, so its log events are not epochs.
        planned = dict.fromkeys(planned)
    unit = "epoch" if any(planned.values()) else "log event"
    if job.best_trial is not None:
        where = _where(job.best_trial, primary_metric, planned[job.best_trial.name])
        found["winner"] = _winner(job, job.best_trial, f" at {unit} {where}" if where else "")
    if saved := _saved(job.trials, primary_metric, planned):
        found["saved"] = saved
        found["savings"] = (
            f"{saved['epochs']} of {saved['of']} {unit}s ({saved['epochs'] / saved['of']:.0%}), "
            f"by cutting {saved['trials']} of {len(job.trials)} trials"
        )
    scored = [(trial.parameters, trial.best) for trial in job.trials if trial.best is not None]
    if importance := parameter_importance(scored):
        found["importance"] = importance
    return found


def _where(best: TrialResult, metric: str, epochs: int | None) -> int | None:
    """Return the epoch of a trial's best value.

    If the epoch is unknown, return the position of the value's log event, counted from 1. If the
    best value is not among the log events, return None.
    """
    points = best.metrics.get(metric, ())
    place = next((place for place, one in enumerate(points) if one.value == best.best), None)
    if place is None:
        return None
    are_epochs = epochs_done(points, epochs) > len(points)
    return points[place].step if are_epochs else place + 1


def _winner(job: JobResult, best: TrialResult, where: str) -> str:
    words = f"{number(best.best)}{where}, last {number(best.last)}" if best.best is not None else ""
    others = [t for t in job.trials if t.best is not None and t.name != best.name]
    if not others or best.best is None:
        return words
    second = min(others, key=lambda trial: abs(float(trial.best or 0.0) - float(best.best or 0.0)))
    label = trial_label(second.name, job.name)
    if second.best == best.best:
        return f"{words}; trial {label} has the same value and a higher number"
    return f"{words}; next is trial {label} with {number(second.best)}"


def _saved(
    trials: Sequence[TrialResult], metric: str, epochs: Mapping[str, int | None]
) -> Mapping[str, int] | None:
    """Return the entry `saved` (see `sweep_insights`); None if no trial was cut."""
    longest = max((trial.events for trial in trials), default=0)

    def planned(trial: TrialResult) -> int:
        """Return the number of epochs that the trial would run without early termination.

        A trial may start from a checkpoint of another run. The first logged step is then higher
        than 1, and the epochs before this step do not count.
        """
        total = epochs[trial.name] or longest
        steps = [point.step for point in trial.metrics.get(metric, ())]
        is_each = steps == list(range(steps[0], steps[0] + len(steps))) if steps else False
        before = steps[0] - 1 if is_each and steps[0] > 1 and steps[-1] <= total else 0
        return max(total - before, trial.events)

    cut = [trial for trial in trials if trial.cut is not None and trial.status.is_finished]
    if not cut:
        return None
    return {
        "epochs": sum(planned(trial) - trial.events for trial in cut),
        "of": sum(planned(trial) for trial in trials),
        "trials": len(cut),
    }


def _epochs_of(trial: TrialResult) -> int | None:
    """Return the trial's number of epochs; None if the sweep has no parameter `epochs`."""
    drawn = [value for key, value in trial.parameters.items() if key.split(".")[-1] == "epochs"]
    return int(drawn[0]) if drawn and isinstance(drawn[0], int | float) else None
