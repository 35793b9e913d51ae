"""Summarize a sweep: its ranking, its best trial, its status and its warnings."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from mnist_exp.status import JobStatus
from mnist_exp.sweeps.ranking import Objective, missing_metric_hint, rank
from mnist_exp.sweeps.trial import Trial


@dataclass(frozen=True)
class SweepResult:
    """The current or final result of a sweep.

    Attributes:
        trials: The trials, in the order of their indices.
        best: Index of the best trial; None if no trial logged a finite value of the primary metric.
        why: Why the sweep was canceled; empty if the sweep was not canceled.
        warnings: Lines about problems that did not end the sweep.
    """

    status: JobStatus
    trials: Sequence[Trial]
    best: int | None
    why: str = ""
    warnings: Sequence[str] = ()


def summarize(
    trials: Sequence[Trial], objective: Objective, why: str, *, one_failure_fails: bool = False
) -> SweepResult:
    """Rank the trials and derive the status of the sweep.

    As in Azure ML, the status is Canceled if a timeout or an interrupt ended the sweep. Azure ML
    does not document how many failed trials make a sweep Failed. Users report the message "errors
    in at least one of the child runs", so one failed trial may be enough. Here, by default, the
    status is Failed only if every trial failed, because one bad configuration should not make a
    whole search fail.

    If no trial logged the primary metric, the sweep can still be Completed, but has no best trial.
    As in HyperDrive, a failed trial can be the best trial. The result then has a warning, because
    a failed trial may have saved no model.

    Args:
        trials: The trials, in the order of their indices.
        objective: The primary metric and its goal.
        why: The reason why the sweep was canceled; empty if the sweep was not canceled.
        one_failure_fails: Whether a single failed trial makes the sweep Failed.
    """
    ranking = rank({trial.index: trial.values for trial in trials}, objective.goal)
    first = trials[ranking[0]] if ranking else None
    best = first if first and first.best(objective.goal) is not None else None
    status = _status(trials, why, any if one_failure_fails else all)
    return SweepResult(
        status,
        tuple(trials),
        best.index if best else None,
        why,
        tuple(_warnings(trials, objective, status, best)),
    )


def _status(
    trials: Sequence[Trial], why: str, is_failure: Callable[[Iterable[bool]], bool]
) -> JobStatus:
    if any(not trial.status.is_finished for trial in trials):
        return JobStatus.CANCEL_REQUESTED if why else JobStatus.RUNNING
    if why:
        return JobStatus.CANCELED
    if trials and is_failure(trial.status is JobStatus.FAILED for trial in trials):
        return JobStatus.FAILED
    return JobStatus.COMPLETED


def _warnings(
    trials: Sequence[Trial], objective: Objective, status: JobStatus, best: Trial | None
) -> Iterable[str]:
    logged = {name for trial in trials for name in trial.metrics}
    # If every trial failed and logged no metric, do not warn: the missing metric is only a
    # consequence of the failures.
    if best is None and status.is_finished and (logged or status is not JobStatus.FAILED):
        yield missing_metric_hint(objective.primary_metric, logged)
    scored = [trial for trial in trials if trial.values]
    if status.is_finished and len(scored) > 1 and _are_alike(scored):
        yield (
            f"all {len(scored)} trials logged the same values of {objective.primary_metric}, "
            "although their parameters differ; check that the script uses its arguments"
        )
    failed = [trial.index for trial in trials if trial.status is JobStatus.FAILED]
    if failed and status is JobStatus.COMPLETED:
        yield f"{len(failed)} of {len(trials)} trials failed; the first is trial {failed[0]}"
    if best and best.status is JobStatus.FAILED:
        yield f"the best trial, trial {best.index}, failed ({best.why}) and may have saved no model"


def _are_alike(trials: Sequence[Trial]) -> bool:
    first = trials[0]
    return all(trial.values == first.values for trial in trials[1:]) and any(
        trial.parameters != first.parameters for trial in trials[1:]
    )
