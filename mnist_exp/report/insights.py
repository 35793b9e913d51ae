"""Insights from a sweep: the best trial, the saved epochs, and the importance of parameters.

The saved epochs are the epochs that trials did not run because early termination cut the trials.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from mnist_exp.report.epochs import best_interval, interval_unit, planned_epochs
from mnist_exp.report.format import number, trial_label
from mnist_exp.results import JobResult, TrialResult, counted
from mnist_exp.status import JobStatus
from mnist_exp.sweeps.importance import parameter_importance
from mnist_exp.sweeps.ranking import Goal, Objective
from mnist_exp.sweeps.space.expressions import Scale


def sweep_insights(
    job: JobResult, objective: Objective, epochs: int | None, scales: Mapping[str, Scale]
) -> dict[str, Any]:
    """Return the insights from a sweep that has ended.

    Args:
        job: The sweep with its trials.
        objective: The sweep's primary metric and its goal.
        epochs: Expected number of intervals in a complete trial; None if unknown.
        scales: Parameter -> scale in the search space.

    Returns:
        A mapping with these keys. A key is missing if its value is unknown.
        `winner`: a text about the best trial.
        `saved`: a mapping with `epochs` (the number of saved epochs), `of` (the number of all
        planned epochs) and `trials` (the number of cut trials).
        `savings`: the numbers of `saved` as a text.
        `late`: a text about epochs that trials ran after the decision to end them. These epochs
        depend on the speed of the machine, and do not count in any other insight.
        `importance`: parameter -> share of the influence on the best value.
        `importance_of`: a text about the values and the trials that `importance` compares.
    """
    found: dict[str, Any] = {}
    primary_metric = objective.primary_metric
    planned = planned_epochs(job.trials, epochs)
    unit = interval_unit(planned)
    if job.best_trial is not None:
        interval = best_interval(job.best_trial, primary_metric, planned[job.best_trial.name])
        words = _winner(job.best_trial, f" at {unit} {interval.number}" if interval else "")
        found["winner"] = words + _comparison(job, job.best_trial, objective.goal)
    if saved := _saved(job.trials, primary_metric, planned):
        found["saved"] = saved
        found["savings"] = (
            f"{saved['epochs']} of {saved['of']} {unit}s ({saved['epochs'] / saved['of']:.0%}), "
            f"by cutting {saved['trials']} of {len(job.trials)} trials"
        )
    if late := sum(trial.late for trial in job.trials):
        found["late"] = f"{counted(late, unit)} after the decisions to end trials; not counted"
    return found | _importance(job.trials, objective, unit, scales)


def _importance(
    trials: Sequence[TrialResult], objective: Objective, unit: str, scales: Mapping[str, Scale]
) -> dict[str, Any]:
    """Return the entries `importance` and `importance_of`; empty without enough trials."""
    intervals = _common_intervals(trials)
    comparable = _comparable(trials, objective, intervals)
    importance = parameter_importance(comparable, scales)
    if not importance:
        return {}
    first = f"first {intervals} {unit}s" if intervals != 1 else f"first {unit}"
    within = f" in the {first}" if intervals else ""
    basis = f"the best value{within}, {len(comparable)} trials"
    return {"importance": importance, "importance_of": basis}


def _common_intervals(trials: Sequence[TrialResult]) -> int | None:
    """Return the number of intervals that all trials have in common; None if all are complete.

    A canceled trial logged fewer values than a complete trial, so their best values are not
    comparable. Do not compare only the complete trials: a policy cancels the trials with bad
    values. The most important parameter then has similar values in all complete trials, and would
    seem unimportant. Therefore all trials are compared after the same number of intervals.
    """
    ended = [trial for trial in trials if trial.events and trial.status is not JobStatus.FAILED]
    if all(trial.status is JobStatus.COMPLETED for trial in ended):
        return None
    return min(trial.events for trial in ended)


def _comparable(
    trials: Sequence[TrialResult], objective: Objective, intervals: int | None
) -> list[tuple[Mapping[str, Any], float]]:
    """Return the parameters and the best value of each trial that can be compared.

    Args:
        trials: The trials of a sweep.
        objective: The sweep's primary metric and its goal.
        intervals: The result of `_common_intervals`. A failed trial with fewer intervals is left
            out.
    """
    chosen: list[tuple[Mapping[str, Any], float]] = []
    for trial in trials:
        if intervals is None:
            best = trial.best if trial.status is JobStatus.COMPLETED else None
        else:
            values = [point.value for point in trial.metrics.get(objective.primary_metric, ())]
            best = objective.goal.best(values[:intervals]) if trial.events >= intervals else None
        if best is not None:
            chosen.append((trial.parameters, best))
    return chosen


def _winner(best: TrialResult, where: str) -> str:
    if best.best is None:
        return ""
    return f"{number(best.best)}{where}, last {number(best.last)}"


def _comparison(job: JobResult, best: TrialResult, goal: Goal) -> str:
    """Return a text that compares the best trial with the trial whose value is the nearest.

    On Azure ML, the service chooses the best trial. The service may choose another trial than the
    rule of this program, which is described in `mnist_exp.sweeps.ranking`.
    """
    values = {t.name: t.best for t in job.trials if t.best is not None and t.name != best.name}
    if not values or best.best is None:
        return ""
    own = best.best
    better = [name for name, value in values.items() if goal.is_better(value, own)]
    name = min(better or values, key=lambda one: abs(values[one] - own))
    label, chosen = trial_label(name, job.name), trial_label(best.name, job.name)
    if better:
        value = number(values[name])
        return f"; trial {label} has the better value {value}, but the service chose trial {chosen}"
    if values[name] != own:
        return f"; next is trial {label} with {number(values[name])}"
    names = [trial.name for trial in job.trials]
    if names.index(name) < names.index(best.name):
        return f"; trial {label} has the same value, but the service chose trial {chosen}"
    return f"; trial {label} has the same value and a higher number"


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
