"""endpoint=blue_green: shift the traffic to a new deployment in steps, with rollback.

A rollout has several steps. A step sets the new deployment's share of the traffic, and sends sample
requests to the old and the new deployment. Then the step compares the statistics of both
deployments: the share of failed requests, and the 95th percentile (p95) of the response times.
These statistics include the requests of other clients, if the workspace counts requests. If the new
deployment is worse by more than a margin, the rollout restores the earlier traffic.

The statistics of the new deployment are from the current step. For the old deployment, the rollout
uses the highest share and the highest p95 of all steps so far. The old deployment carries the full
load only at the first step. Later its load is lower, so a comparison with only its current values
would be unfair to the new deployment.

The steps are from Azure ML's guide. Azure ML itself does not compare deployments.
https://learn.microsoft.com/azure/machine-learning/how-to-safely-rollout-online-endpoints
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from mnist_exp.config import RolloutConfig
from mnist_exp.errors import EndpointError
from mnist_exp.results import DeploymentStatistics, Endpoint
from mnist_exp.specs import EndpointSpec
from mnist_exp.traffic import traffic_text
from mnist_exp.workspaces.base import Workspace


def why_worse(
    new: DeploymentStatistics, olds: Sequence[DeploymentStatistics], limits: RolloutConfig
) -> str:
    """Return why the new deployment is worse; empty if the new deployment is not worse.

    Args:
        new: Statistics of the new deployment at this step.
        olds: Statistics of the old deployment at this step and at each earlier step.
        limits: The margins by which the new deployment may be worse.
    """
    failure_rate = max(old.failure_rate for old in olds)
    p95_ms = max(old.p95_ms for old in olds)
    if new.failure_rate > failure_rate + limits.failure_margin:
        return (
            f"the share of failed requests was {new.failure_rate:.1%}, and {failure_rate:.1%} for "
            f"the old deployment (endpoint.rollout.failure_margin is {limits.failure_margin:g})"
        )
    if p95_ms and new.p95_ms > p95_ms + limits.latency_margin_ms:
        return (
            f"the p95 latency was {new.p95_ms:.3g} ms, and {p95_ms:.3g} ms for the old deployment "
            f"(endpoint.rollout.latency_margin_ms is {limits.latency_margin_ms:g})"
        )
    return ""


@dataclass(frozen=True)
class BlueGreen:
    """A rollout of one deployment.

    Attributes:
        workspace: The workspace of the endpoint.
        endpoint: Function that takes the live and the mirrored traffic, and returns the endpoint's
            spec.
        current: The endpoint before the rollout.
        new: Name of the new deployment, which has no traffic yet.
        limits: The steps and the margins.
        sample: Body of the sample requests; if None, no sample requests are sent.
        say: Function that prints a line.
        olds: Statistics of the old deployment, one entry for each step so far.
    """

    workspace: Workspace
    endpoint: Callable[[Mapping[str, int], Mapping[str, int]], EndpointSpec]
    current: Endpoint
    new: str
    limits: RolloutConfig
    sample: bytes | None
    say: Callable[[str], None]
    olds: list[DeploymentStatistics] = field(default_factory=list, init=False)

    def run(self) -> None:
        """Shift the traffic step by step.

        Raises:
            EndpointError: The new deployment was worse, and the traffic was rolled back.
        """
        try:
            self._probe()
            # Run this step even if no traffic is mirrored: the step measures the old deployment
            # under full load.
            self._step(0, self.limits.mirror)
            for percent in self.limits.steps:
                self._step(percent, 0)
        except BaseException as error:
            # Roll back after an interrupt too. Otherwise the rollout would stay incomplete.
            self._set_traffic(self._before, self.current.mirror_traffic)
            self.say(f"rolled back: {traffic_text(self._before)}, {self.new} has no traffic")
            if isinstance(error, _WorseError):
                raise EndpointError(
                    f"endpoint {self._name}, deployment {self.new}: rolled back, because {error}; "
                    "see stage=logs, fix the deployment and start the rollout again"
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
            self.say(f"{self.new} at 0 %: not tested, because there is no sample request")
            return
        try:
            self.workspace.invoke(self._name, self.sample, self.new)
        except EndpointError as error:
            raise _WorseError(
                f"the deployment does not answer the sample request: {error}"
            ) from error
        self.say(f"{self.new} at 0 %: answers the sample request")

    def _step(self, percent: int, mirrored: int) -> None:
        copies = {self.new: mirrored} if mirrored else self._other_mirrored
        self._set_traffic(self._shifted(percent), copies)
        traffic = f"{mirrored} % mirrored traffic" if mirrored else f"{percent} % of the traffic"
        self.say(f"{self.new} gets {traffic}; measuring both deployments")
        began = time.monotonic()
        start = self.workspace.statistics(self._name)
        sampled = self._send_samples()
        # The statistics include requests that other clients send during this sleep.
        time.sleep(max(0.0, self.limits.seconds - (time.monotonic() - began)))
        end = self.workspace.statistics(self._name)
        new, old = (
            _period(start, end, name) if end else sampled[name] for name in (self.new, self._old)
        )
        self.say(f"{self.new}: {_text(new)}; {self._old}: {_text(old)}")
        self.olds.append(old)
        if reason := why_worse(new, self.olds, self.limits):
            raise _WorseError(reason)

    def _send_samples(self) -> dict[str, DeploymentStatistics]:
        """Send sample requests alternately to both deployments, and return the statistics."""
        count = self.limits.samples if self.sample is not None else 0
        times: dict[str, list[float | None]] = {self._old: [], self.new: []}
        for _ in range(count):
            for name, found in times.items():
                found.append(self._time_of_sample(name))
        return {name: _statistics(found) for name, found in times.items()}

    def _time_of_sample(self, deployment: str) -> float | None:
        """Send a sample request. Return its duration in milliseconds; None after a failure."""
        began = time.perf_counter()
        try:
            self.workspace.invoke(self._name, self.sample or b"", deployment)
        except EndpointError:
            return None
        return round((time.perf_counter() - began) * 1000, 1)

    def _shifted(self, percent: int) -> dict[str, int]:
        """Return the traffic with `percent` for the new deployment.

        The older deployments share the remaining percentage, in the same proportions as before the
        rollout.
        """
        rest = 100 - percent
        shares = {name: share * rest // 100 for name, share in self._before.items()}
        shares[self._old] += rest - sum(shares.values())
        return {**shares, self.new: percent}

    @property
    def _other_mirrored(self) -> dict[str, int]:
        """The mirrored traffic before the rollout, without the new deployment."""
        mirrored = self.current.mirror_traffic.items()
        return {name: percent for name, percent in mirrored if name != self.new}

    def _set_traffic(self, live: Mapping[str, int], mirrored: Mapping[str, int]) -> None:
        # An empty mapping would not change the traffic. To remove the new deployment's traffic, set
        # its share to 0 %.
        self.workspace.create_or_update_endpoint(
            self.endpoint({self.new: 0, **live}, mirrored or {self.new: 0})
        )


class _WorseError(Exception):
    """The new deployment is worse than the old deployment, or does not answer a request."""


def _period(
    start: Mapping[str, DeploymentStatistics], end: Mapping[str, DeploymentStatistics], name: str
) -> DeploymentStatistics:
    nothing = DeploymentStatistics()
    return end.get(name, nothing).since(start.get(name, nothing))


def _statistics(times: Sequence[float | None]) -> DeploymentStatistics:
    """Return the statistics of requests. Each time is in milliseconds, or None after a failure."""
    successes = [value for value in times if value is not None]
    counts = {value: successes.count(value) for value in successes}
    return DeploymentStatistics(len(times), len(times) - len(successes), counts)


def _text(statistics: DeploymentStatistics) -> str:
    return f"{statistics}, p95 {statistics.p95_ms:.3g} ms"
