"""A trial and a sweep as the tuner sees them."""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field

from mnist_exp.status import JobStatus
from mnist_exp.sweeps.ranking import Goal, Objective, missing_metric_hint, rank
from mnist_exp.sweeps.sampling.algorithms import Parameters
from mnist_exp.sweeps.stopping.policy import Cut


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
    status: JobStatus = JobStatus.RUNNING
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

    status: JobStatus
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
    if best is None and (logged or status is not JobStatus.FAILED) and status.is_finished:
        warnings.append(missing_metric_hint(objective.primary_metric, logged))
    failed = [trial.index for trial in trials if trial.status is JobStatus.FAILED]
    if failed and status is JobStatus.COMPLETED:
        warnings.append(f"{len(failed)} of {len(trials)} trials failed, the first: {failed[0]}")
    if best and best.status is JobStatus.FAILED:
        warnings.append(
            f"the best trial, {best.index}, failed ({best.why}): it may have left no model"
        )
    return SweepResult(
        status, tuple(trials), tuple(ranking), best.index if best else None, why, tuple(warnings)
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
