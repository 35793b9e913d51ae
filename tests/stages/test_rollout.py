"""Blue-green rollouts: the comparison of statistics, and the steps at a real endpoint."""

import re
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from mnist_exp.config import RequestSettingsConfig, RolloutConfig
from mnist_exp.errors import EndpointError
from mnist_exp.results import DeploymentStatistics as Statistics
from mnist_exp.results import Endpoint
from mnist_exp.specs import EndpointSpec
from mnist_exp.stages.rollout import BlueGreen, why_worse
from tests.support.scoring_service import NAME, SCRIPT, Service, serve

pytestmark = pytest.mark.external

#: Margins that ignore times, since other tests may keep the machine busy.
PATIENT = RolloutConfig([10, 100], 10, 10, 0, failure_margin=0.1, latency_margin_ms=60_000)
LIMITS = RolloutConfig([10, 100], 10, samples=4, seconds=0, failure_margin=0.1)
FAILS_LATER = """
calls = 0

def init(): pass

def run(raw_data):
    global calls
    calls += 1
    if calls > 5:
        raise ValueError("enough")
    return "green"
"""
SLOW = "import time\ndef init(): pass\ndef run(raw_data): time.sleep(0.5)"
RAISES = "def init(): pass\ndef run(raw_data): raise ValueError('never')"


class RolloutWorkspace:
    """The methods of a workspace that a rollout calls."""

    def __init__(self, service: Service, sees_statistics: bool = True) -> None:
        self._endpoints = service.endpoints
        self._sees_statistics = sees_statistics
        self.specs: list[EndpointSpec] = []

    def create_or_update_endpoint(self, spec: EndpointSpec) -> Endpoint:
        self.specs.append(spec)
        return self._endpoints.create_or_update(spec)

    def statistics(self, endpoint: str) -> Mapping[str, Statistics]:
        return self._endpoints.statistics(endpoint) if self._sees_statistics else {}

    def invoke(self, endpoint: str, body: bytes, deployment: str | None = None) -> object:
        return self._endpoints.invoke(endpoint, body, deployment)


@pytest.fixture(scope="module")
def blue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    yield from serve(tmp_path_factory.mktemp("blue"), RequestSettingsConfig(20_000, 4))


def roll_out(
    service: Service, workspace: RolloutWorkspace, limits: RolloutConfig = PATIENT
) -> list[str]:
    said: list[str] = []
    rollout = BlueGreen(
        workspace=workspace,  # type: ignore[arg-type]
        endpoint=lambda live, mirror: EndpointSpec(NAME, traffic=live, mirror_traffic=mirror),
        current=service.endpoints.get(NAME),
        new="green",
        limits=limits,
        sample=b"note",
        say=said.append,
    )
    try:
        rollout.run()
    except EndpointError as error:
        said.append(f"error: {error}")
    return said


@pytest.fixture(autouse=True)
def restored_traffic(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    if "blue" in request.fixturenames:
        service = request.getfixturevalue("blue")
        service.update(traffic={"blue": 100}, mirror_traffic={"blue": 0})


@pytest.mark.parametrize("sees_statistics", [True, False])
def test_a_good_deployment_takes_over_in_steps(blue: Service, sees_statistics: bool) -> None:
    blue.deploy("green")
    workspace = RolloutWorkspace(blue, sees_statistics)
    said = roll_out(blue, workspace)
    assert blue.endpoints.get(NAME).traffic == {"green": 100}
    assert blue.endpoints.get(NAME).mirror_traffic == {}
    assert [spec.traffic["green"] for spec in workspace.specs] == [0, 10, 100]
    assert [spec.mirror_traffic["green"] for spec in workspace.specs] == [10, 0, 0]
    assert [line for line in said if "measuring" in line] == [
        "green gets 10 % mirrored traffic; measuring both deployments",
        "green gets 10 % of the traffic; measuring both deployments",
        "green gets 100 % of the traffic; measuring both deployments",
    ]


@pytest.mark.parametrize(
    ("script", "reason", "limits"),
    [
        (RAISES, "does not answer the sample request", PATIENT),
        (FAILS_LATER, "and 0.0% for the old deployment", PATIENT),
        (SLOW, "the p95 latency was", replace(LIMITS, samples=2)),
    ],
    ids=["raises", "fails later", "slow"],
)
def test_a_worse_deployment_is_rolled_back(
    blue: Service, script: str, reason: str, limits: RolloutConfig
) -> None:
    blue.deploy("green", script)
    said = roll_out(blue, RolloutWorkspace(blue), limits)
    endpoint = blue.endpoints.get(NAME)
    assert (endpoint.traffic, endpoint.mirror_traffic) == ({"blue": 100}, {})
    assert said[-2] == "rolled back: blue 100 %, green has no traffic"
    assert said[-1].startswith(f"error: endpoint {NAME}, deployment green: rolled back, because ")
    assert reason in said[-1]


@pytest.mark.parametrize(
    ("script", "during"),
    [(SCRIPT, [{"green": 10}, {"red": 5}, {"red": 5}]), (RAISES, [{"red": 5}])],
    ids=["good", "worse"],
)
def test_traffic_mirrored_to_others_is_restored(
    blue: Service, script: str, during: list[dict[str, int]]
) -> None:
    blue.deploy("red")
    blue.deploy("green", script)
    blue.update(mirror_traffic={"red": 5})
    workspace = RolloutWorkspace(blue)
    roll_out(blue, workspace)
    assert [spec.mirror_traffic for spec in workspace.specs] == during
    assert blue.endpoints.get(NAME).mirror_traffic == {"red": 5}


def test_failures_under_the_whole_load_do_not_roll_back(blue: Service) -> None:
    # With so many callers, most get a 429, whichever deployment has the traffic.
    busy = "import time\ndef init(): pass\ndef run(raw_data): time.sleep(0.02)\n"
    few = RequestSettingsConfig(20_000, 1)
    blue.deploy(script=busy, request_settings=few)
    blue.deploy("green", busy, request_settings=few)
    is_over = threading.Event()

    def call() -> None:
        while not is_over.is_set():
            blue.score("x")

    with ThreadPoolExecutor(6) as pool:
        callers = [pool.submit(call) for _ in range(6)]
        try:
            # Few samples vary much. Without callers, the old deployment would have no failures.
            limits = replace(PATIENT, seconds=0.5, samples=2, failure_margin=0.35)
            said = roll_out(blue, RolloutWorkspace(blue), limits)
        finally:
            is_over.set()
            # Other tests share the endpoint.
            blue.deploy(request_settings=RequestSettingsConfig(20_000, 4))
    assert all(caller.result() is None for caller in callers)
    # At the last step, the failures of the new deployment exceed the margin. The old one answers
    # only requests that arrived before the step.
    counts = re.match(
        r"green: (\d+) requests, (\d+) failed, .*; blue: (\d+) requests, (\d+) failed, ", said[-1]
    )
    assert counts is not None, said
    new, new_failed, old, old_failed = map(int, counts.groups())
    assert new_failed / new > old_failed / max(old, 1) + limits.failure_margin


def test_without_mirroring_the_old_deployment_is_measured_first(blue: Service) -> None:
    blue.deploy("green")
    workspace = RolloutWorkspace(blue)
    roll_out(blue, workspace, replace(PATIENT, mirror=0))
    assert [spec.traffic["green"] for spec in workspace.specs] == [0, 10, 100]
    assert [spec.mirror_traffic["green"] for spec in workspace.specs] == [0, 0, 0]


def test_an_interrupted_rollout_is_rolled_back(blue: Service) -> None:
    class Interrupted(RolloutWorkspace):
        def statistics(self, endpoint: str) -> Mapping[str, Statistics]:
            raise KeyboardInterrupt

    blue.deploy("green")
    with pytest.raises(KeyboardInterrupt):
        roll_out(blue, Interrupted(blue))
    assert blue.endpoints.get(NAME).traffic == {"blue": 100}


@pytest.mark.parametrize(
    ("new", "old", "expected"),
    [
        (Statistics(100, 0, {1.0: 100}), Statistics(100, 0, {1.0: 100}), ""),
        (Statistics(100, 10, {1.0: 90}), Statistics(100, 0, {1.0: 100}), ""),
        (
            Statistics(100, 11, {1.0: 89}),
            Statistics(100, 0, {1.0: 100}),
            "the share of failed requests was 11.0%",
        ),
        (Statistics(100, 11, {1.0: 89}), Statistics(100, 5, {1.0: 95}), ""),
        (Statistics(100, 0, {51.0: 100}), Statistics(100, 0, {1.0: 100}), ""),
        (Statistics(100, 0, {52.0: 100}), Statistics(100, 0, {1.0: 100}), "the p95 latency"),
        (Statistics(100, 0, {1.0: 95, 900.0: 5}), Statistics(100, 0, {1.0: 100}), ""),
        (Statistics(), Statistics(100, 0, {1.0: 100}), ""),
        (Statistics(5, 0, {900.0: 5}), Statistics(), ""),
    ],
)
def test_what_counts_as_worse(new: Statistics, old: Statistics, expected: str) -> None:
    found = why_worse(new, [old], LIMITS)
    assert found.startswith(expected) if expected else found == ""


def test_the_rest_of_the_traffic_keeps_its_proportions() -> None:
    current = Endpoint("x", "Succeeded", None, {"blue": 70, "red": 30})
    rollout = BlueGreen(None, None, current, "green", LIMITS, None, print)  # type: ignore[arg-type]
    for percent in (10, 33, 100):
        shares = rollout._shifted(percent)
        assert sum(shares.values()) == 100
        assert shares["green"] == percent
        assert abs(shares["blue"] - 0.7 * (100 - percent)) <= 1
