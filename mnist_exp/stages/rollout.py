"""endpoint=blue_green: the traffic goes to a new deployment in steps, and back if it does worse.

At each step requests are sent to the old and to the new one, and what all callers met is compared:
the share of failed requests, and the time within which 95 of 100 were answered. The new one is
measured by what it does at this step, the old one by the worst that it did at any: it had the whole
load at first, as the new one has at last. Azure ML leaves this to its users; these are the steps of
its guide.
https://learn.microsoft.com/azure/machine-learning/how-to-safely-rollout-online-endpoints
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from mnist_exp.config import RolloutConfig
from mnist_exp.errors import EndpointError
from mnist_exp.results import DeploymentStatistics, Endpoint
from mnist_exp.specs import EndpointSpec
from mnist_exp.stages.traffic import shares_text
from mnist_exp.stages.words import counted
from mnist_exp.workspaces.base import Workspace

#: Of the successful requests, so many in a hundred set the time that is compared.
_PERCENTILE = 95


@dataclass
class Window:
    """What one deployment met during a step; times in milliseconds -> how many."""

    requests: int = 0
    failures: int = 0
    times_ms: dict[float, int] = field(default_factory=dict)

    @property
    def failure_rate(self) -> float:
        """The share of requests that failed."""
        return self.failures / self.requests if self.requests else 0.0

    @property
    def p95_ms(self) -> float:
        """The time within which 95 of 100 successful requests were answered; 0 without any."""
        left = sum(self.times_ms.values()) * _PERCENTILE / 100
        for bound in sorted(self.times_ms):
            left -= self.times_ms[bound]
            if left <= 0:
                return bound
        return 0.0

    def __str__(self) -> str:
        asked = counted(self.requests, "request")
        return f"{asked}, {self.failures} failed, p95 {self.p95_ms:.3g} ms"


def worse(new: Window, olds: Sequence[Window], limits: RolloutConfig) -> str:
    """Return in which respect the new one is worse by more than the margin; empty if in none.

    Args:
        new: What the new one met at this step.
        olds: What the old one met at this step and at those before.
        limits: The margins.
    """
    failure_rate = max(old.failure_rate for old in olds)
    p95_ms = max(old.p95_ms for old in olds)
    if new.failure_rate > failure_rate + limits.failure_margin:
        return (
            f"{new.failure_rate:.1%} of its requests failed, against {failure_rate:.1%} "
            f"(endpoint.rollout.failure_margin {limits.failure_margin:g})"
        )
    if p95_ms and new.p95_ms > p95_ms + limits.latency_margin_ms:
        return (
            f"its p95 was {new.p95_ms:.3g} ms, against {p95_ms:.3g} ms "
            f"(endpoint.rollout.latency_margin_ms {limits.latency_margin_ms:g})"
        )
    return ""


@dataclass(frozen=True)
class BlueGreen:
    """A rollout of one deployment.

    Attributes:
        new: The deployment that is to take over; it has no traffic yet.
        current: The endpoint as it is, with live and mirrored traffic.
        endpoint: A change of live and mirrored traffic.
        limits: Steps and margins.
        sample: A request for both; None sends none.
        say: Prints a line.
        olds: What the old one has met so far, step by step.
    """

    workspace: Workspace
    endpoint: Callable[[Mapping[str, int], Mapping[str, int]], EndpointSpec]
    current: Endpoint
    new: str
    limits: RolloutConfig
    sample: bytes | None
    say: Callable[[str], None]
    olds: list[Window] = field(default_factory=list, init=False)

    def run(self) -> None:
        """Shift the traffic step by step.

        Raises:
            EndpointError: The new deployment did worse; the traffic is as it was before.
        """
        try:
            self._probe()
            # Without copies as well: what the old one does under the whole load must be known.
            self._step(0, self.limits.mirror)
            for percent in self.limits.steps:
                self._step(percent, 0)
        except BaseException as error:
            # Whatever the reason: nobody is there any more to look after half a rollout.
            self._set(self._before, self.current.mirror_traffic)
            self.say(f"rolled back: {shares_text(self._before)}, {self.new} stays without traffic")
            if isinstance(error, _WorseError):
                raise EndpointError(
                    f"endpoint {self._name}, deployment {self.new}: rolled back, {error}; "
                    "see stage=logs, mend it and roll it out again"
                ) from error
            raise

    @property
    def _name(self) -> str:
        return self.current.name

    @property
    def _before(self) -> Mapping[str, int]:
        return self.current.traffic

    @property
    def _old(self) -> str:
        return max(self._before, key=lambda name: self._before[name])

    def _probe(self) -> None:
        if self.sample is None:
            self.say(f"{self.new} at 0 %: no sample request to probe it with")
            return
        try:
            self.workspace.invoke(self._name, self.sample, self.new)
        except EndpointError as error:
            raise _WorseError(f"it does not answer the sample request: {error}") from error
        self.say(f"{self.new} at 0 %: answers the sample request")

    def _step(self, percent: int, mirrored: int) -> None:
        copies = {self.new: mirrored} if mirrored else self._copies_of_others
        self._set(self._shifted(percent), copies)
        what = f"mirrors {mirrored} % to" if mirrored else f"gives {percent} % to"
        self.say(f"{what} {self.new} and watches")
        began = time.monotonic()
        start = self.workspace.statistics(self._name)
        sampled = self._send_samples()
        # Not to wait for something, but to watch what others send.
        time.sleep(max(0.0, self.limits.seconds - (time.monotonic() - began)))
        end = self.workspace.statistics(self._name) or {}
        new = _window(start.get(self.new), end.get(self.new)) if end else sampled[self.new]
        old = _window(start.get(self._old), end.get(self._old)) if end else sampled[self._old]
        self.say(f"{self.new}: {new}; {self._old}: {old}")
        self.olds.append(old)
        if reason := worse(new, self.olds, self.limits):
            raise _WorseError(reason)

    def _send_samples(self) -> dict[str, Window]:
        """Send the sample to both in turns, and return what we met ourselves."""
        met = {self._old: Window(), self.new: Window()}
        for _ in range(self.limits.samples if self.sample is not None else 0):
            for name, window in met.items():
                began = time.perf_counter()
                window.requests += 1
                try:
                    self.workspace.invoke(self._name, self.sample or b"", name)
                except EndpointError:
                    window.failures += 1
                    continue
                took = round((time.perf_counter() - began) * 1000, 1)
                window.times_ms[took] = window.times_ms.get(took, 0) + 1
        return met

    def _shifted(self, percent: int) -> dict[str, int]:
        """Return the traffic with `percent` for the new one, the rest in the old proportions."""
        rest = 100 - percent
        shares = {name: share * rest // 100 for name, share in self._before.items()}
        shares[self._old] += rest - sum(shares.values())
        return {**shares, self.new: percent}

    @property
    def _copies_of_others(self) -> dict[str, int]:
        """The mirrored traffic as it was, without the deployment that gets live traffic."""
        mirrored = self.current.mirror_traffic.items()
        return {name: percent for name, percent in mirrored if name != self.new}

    def _set(self, live: Mapping[str, int], mirrored: Mapping[str, int]) -> None:
        # Empty would leave what there is; a share of 0 ends it.
        self.workspace.create_or_update_endpoint(
            self.endpoint({self.new: 0, **live}, mirrored or {self.new: 0})
        )


class _WorseError(Exception):
    """The new deployment did worse; the text says how."""


def _window(start: DeploymentStatistics | None, end: DeploymentStatistics | None) -> Window:
    start, end = start or DeploymentStatistics(), end or DeploymentStatistics()
    if end.requests < start.requests:
        # A front that was started again in between counts from nothing.
        start = DeploymentStatistics()
    times = {
        bound: count - start.times_ms.get(bound, 0)
        for bound, count in end.times_ms.items()
        if count > start.times_ms.get(bound, 0)
    }
    return Window(end.requests - start.requests, end.failures - start.failures, times)
