"""A trial and a sweep as the tuner sees them."""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from mnist_exp.sweeps.policy import Cut
from mnist_exp.sweeps.ranking import Goal, Objective, missing_metric_hint, rank
from mnist_exp.sweeps.sampling import Parameters

__all__ = ["SweepResult", "Trial", "TrialStatus", "summarize"]


class TrialStatus(StrEnum):
    """Azure ML's words, for trials and for the sweep.

    https://learn.microsoft.com/python/api/azure-ai-ml/azure.ai.ml.entities.job
    """

    RUNNING = "Running"
    CANCEL_REQUESTED = "CancelRequested"
    COMPLETED = "Completed"
    FAILED = "Failed"
    CANCELED = "Canceled"

    @property
    def is_finished(self) -> bool:
        """Whether it will not change any more."""
        return self not in {TrialStatus.RUNNING, TrialStatus.CANCEL_REQUESTED}


@dataclass
class Trial:
    """One configuration that was tried; changed by the tuner alone.

    Attributes:
        started: When it ran, in seconds of the backend's clock.
        ended: When its end was reported.
        values: Every value of the primary metric, in order of arrival.
        why: Why it did not just complete, in plain words.
        cut: The early-termination policy's decision, if it made one.
        decided: Whether it was asked to end for good, by a policy or a timeout.
    """

    index: int
    parameters: Parameters
    started: float
    status: TrialStatus = TrialStatus.RUNNING
    values: list[float] = field(default_factory=list)
    ended: float | None = None
    exit_code: int | None = None
    why: str = ""
    cut: Cut | None = None
    decided: bool = False

    def best(self, goal: Goal) -> float | None:
        """Return the best value of the whole history; None without a finite one."""
        return goal.best(self.values)


@dataclass(frozen=True)
class SweepResult:
    """How a sweep stands, or ended.

    Attributes:
        trials: By index.
        ranking: Indices from the best trial to the worst.
        best: Index of the best trial; None when no trial logged the primary metric.
        why: Why it was canceled.
        warnings: What the user should know though the sweep ended.
    """

    status: TrialStatus
    trials: Sequence[Trial]
    ranking: Sequence[int]
    best: int | None
    why: str = ""
    warnings: Sequence[str] = ()


def summarize(
    trials: Sequence[Trial],
    objective: Objective,
    logged: Collection[str],
    why: str,
    *,
    fails_with_one: bool = False,
) -> SweepResult:
    """Rank the trials and give the sweep its status.

    Canceled when something stopped it (its timeout, an interrupt), as Azure ML has it. What
    failed trials make of a sweep is not documented. Users of Azure ML have met sweeps that were
    Failed, with "errors in at least one of the child runs"; from how many on is not known. Here a
    sweep is Failed when every trial failed, so that one odd configuration spoils no search, or with
    one where that is asked for.

    Without the primary metric it is Completed, without a best trial. As in HyperDrive a failed
    trial can be the best one, if it logged; since it may have left no model, a warning says so.

    Args:
        trials: By index.
        objective: The primary metric and its goal.
        logged: The names of all metrics that any trial logged.
        why: What stopped the sweep; empty if nothing did.
        fails_with_one: Whether a single failed trial makes the sweep Failed.
    """
    ranking = rank({trial.index: trial.values for trial in trials}, objective.goal)
    first = trials[ranking[0]] if ranking else None
    best = first if first and first.best(objective.goal) is not None else None
    status = _status(trials, why, any if fails_with_one else all)
    warnings = []
    if best is None and (logged or status is not TrialStatus.FAILED) and status.is_finished:
        warnings.append(missing_metric_hint(objective.primary_metric, logged))
    failed = [trial.index for trial in trials if trial.status is TrialStatus.FAILED]
    if failed and status is TrialStatus.COMPLETED:
        warnings.append(f"{len(failed)} of {len(trials)} trials failed, the first: {failed[0]}")
    if best and best.status is TrialStatus.FAILED:
        warnings.append(
            f"the best trial, {best.index}, failed ({best.why}): it may have left no model"
        )
    return SweepResult(
        status, tuple(trials), tuple(ranking), best.index if best else None, why, tuple(warnings)
    )


def _status(
    trials: Sequence[Trial], why: str, is_failure: Callable[[Iterable[bool]], bool]
) -> TrialStatus:
    if any(not trial.status.is_finished for trial in trials):
        return TrialStatus.CANCEL_REQUESTED if why else TrialStatus.RUNNING
    if why:
        return TrialStatus.CANCELED
    if trials and is_failure(trial.status is TrialStatus.FAILED for trial in trials):
        return TrialStatus.FAILED
    return TrialStatus.COMPLETED
