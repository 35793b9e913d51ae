"""endpoint=blue_green: shift the traffic to a new deployment in steps, and back if it does worse.

At each step the old and the new deployment get sample requests. Then the requests of all callers
are compared: the share that failed, and the time within which 95 % were answered. The new
deployment is judged by this step alone. The old deployment is judged by its worst step: it had the
whole load at the first step, as the new deployment has at the last. Azure ML leaves the comparison
to its users; the steps are those of its guide.
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
    """Return why the new deployment is worse by more than a margin; empty if it is not.

    Args:
        new: The new deployment at this step.
        olds: The old deployment at this step and at the steps before.
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
        new: The deployment that takes over; it has no traffic yet.
        current: The endpoint before the rollout.
        endpoint: Returns the spec that sets live and mirrored traffic.
        limits: The steps and the margins.
        sample: A request to send to both deployments; None sends none.
        say: Prints a line.
        olds: The old deployment's statistics of each step so far.
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
            EndpointError: The new deployment did worse; the traffic is as it was before.
        """
        try:
            self._probe()
            # Even without mirrored traffic: this step measures the old deployment under full load.
            self._step(0, self.limits.mirror)
            for percent in self.limits.steps:
                self._step(percent, 0)
        except BaseException as error:
            # Roll back after an interrupt too: nobody would complete the rollout.
            self._set_traffic(self._before, self.current.mirror_traffic)
            self.say(f"rolled back: {traffic_text(self._before)}, {self.new} stays without traffic")
            if isinstance(error, _WorseError):
                raise EndpointError(
                    f"endpoint {self._name}, deployment {self.new}: rolled back, {error}; "
                    "see stage=logs, fix the deployment and roll it out again"
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
        copies = {self.new: mirrored} if mirrored else self._other_mirrored
        self._set_traffic(self._shifted(percent), copies)
        what = f"mirrors {mirrored} % to" if mirrored else f"gives {percent} % to"
        self.say(f"{what} {self.new} and watches")
        began = time.monotonic()
        start = self.workspace.statistics(self._name)
        sampled = self._send_samples()
        # Other callers send their requests meanwhile: the sleep is the period that is measured.
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
        """Send the sample to both deployments in turns, and return what came of it."""
        count = self.limits.samples if self.sample is not None else 0
        times: dict[str, list[float | None]] = {self._old: [], self.new: []}
        for _ in range(count):
            for name, found in times.items():
                found.append(self._time_of_sample(name))
        return {name: _statistics(found) for name, found in times.items()}

    def _time_of_sample(self, deployment: str) -> float | None:
        """Return how many milliseconds the sample request took; None if it failed."""
        began = time.perf_counter()
        try:
            self.workspace.invoke(self._name, self.sample or b"", deployment)
        except EndpointError:
            return None
        return round((time.perf_counter() - began) * 1000, 1)

    def _shifted(self, percent: int) -> dict[str, int]:
        """Return the traffic with `percent` for the new deployment.

        The other deployments share the rest in the proportions that they had.
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
        # An empty mapping would change nothing. A share of 0 ends the traffic.
        self.workspace.create_or_update_endpoint(
            self.endpoint({self.new: 0, **live}, mirrored or {self.new: 0})
        )


class _WorseError(Exception):
    """The new deployment did worse; the text says how."""


def _period(
    start: Mapping[str, DeploymentStatistics], end: Mapping[str, DeploymentStatistics], name: str
) -> DeploymentStatistics:
    nothing = DeploymentStatistics()
    return end.get(name, nothing).since(start.get(name, nothing))


def _statistics(times: Sequence[float | None]) -> DeploymentStatistics:
    """Return the statistics of requests that took these milliseconds; None for a failed request."""
    successes = [value for value in times if value is not None]
    counts = {value: successes.count(value) for value in successes}
    return DeploymentStatistics(len(times), len(times) - len(successes), counts)


def _text(statistics: DeploymentStatistics) -> str:
    return f"{statistics}, p95 {statistics.p95_ms:.3g} ms"
