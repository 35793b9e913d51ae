"""stage=invoke and stage=status at an endpoint with two deployments, with real processes."""

import re
import time
from collections.abc import Iterator

import pytest

from mnist_exp.config import AuthMode, Stage
from mnist_exp.errors import EndpointError
from mnist_exp.stages.all import AllStages
from tests.stages.deploying import NAME, Deploying, deploying
from tests.support.recorded_outputs import RecordedOutputs

pytestmark = pytest.mark.external

SCRIPT = "def init(): pass\ndef run(raw_data): return {'by': '%s'}\n"


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deploying]:
    """Yield an endpoint with tff-blue, which has all traffic, and tff-green, which has none."""
    for made in deploying(tmp_path_factory.mktemp("two")):
        for name in ("tff-blue", "tff-green"):
            made.script(SCRIPT % name)
            made.run(f"endpoint.deployment.name={name}")
        yield made


def answer(two: Deploying, *overrides: str) -> object:
    predictions = two.run(*overrides, stage=Stage.invoke).predictions
    assert predictions is not None
    return predictions["answer"]


def test_a_deployment_without_traffic_is_called_by_its_name(two: Deploying) -> None:
    assert answer(two) == {"by": "tff-blue"}
    assert answer(two, "endpoint.invoke_deployment=tff-green") == {"by": "tff-green"}


def test_an_unknown_deployment_is_found_before_sending(two: Deploying) -> None:
    assert two.faults("endpoint.invoke_deployment=tff-gren", stage=Stage.invoke) == [
        f"endpoint.invoke_deployment: must name a deployment of endpoint {NAME}, got tff-gren; "
        "there are: tff-blue, tff-green; did you mean 'tff-green'?"
    ]


def test_the_remedy_for_an_endpoint_without_traffic_works(two: Deploying) -> None:
    two.update(traffic={"tff-blue": 0})
    try:
        with pytest.raises(EndpointError) as caught:
            two.run(stage=Stage.invoke)
        proposed = re.findall(r"endpoint\.[\w.]+=(?:\{.*?\}|\S+)", str(caught.value))
        assert len(proposed) == 2
        assert answer(two, proposed[1]) == {"by": "tff-blue"}
        two.run(proposed[0])
        assert answer(two) == {"by": "tff-blue"}
    finally:
        two.update(traffic={"tff-blue": 100})


def test_stage_all_calls_its_own_deployment(outputs: RecordedOutputs) -> None:
    context = outputs.context(Stage.all, "endpoint.invoke_deployment=red")
    (fault,) = AllStages(context).faults()
    assert fault.startswith("endpoint.invoke_deployment: must be tff-blue")


def test_status_shows_what_each_deployment_answered(two: Deploying) -> None:
    before = two.workspace.statistics(NAME)["tff-blue"]
    two.run(stage=Stage.invoke)
    two.run(stage=Stage.status)
    (line,) = [line for line in two.said if line.startswith("  tff-blue ")]
    assert line.endswith(f", 0 restarts, {before.requests + 1} requests, {before.failures} failed")


def test_status_shows_auth_mode_and_expiry(two: Deploying) -> None:
    two.run(stage=Stage.status)
    assert "  auth_mode key" in two.said
    two.update(auth_mode=AuthMode.aml_token, ttl=3600)
    two.run(stage=Stage.status)
    (line,) = [line for line in two.said if "auth_mode" in line]
    day = time.strftime("%Y-%m-%dT", time.gmtime(two.now.expires))
    assert line.startswith(f"  auth_mode aml_token, deletes itself at {day}")
