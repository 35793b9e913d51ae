"""stage=deploy at an endpoint that exists already, with real processes behind it."""

import json
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from mnist_exp.config import AuthMode, Stage
from mnist_exp.errors import ConfigError, EndpointError
from mnist_exp.stages.all import AllStages
from mnist_exp.workspaces.local.endpoints.server_processes import process_id
from tests.stages.deploying import NAME, SCRIPT, Deploying, deploying
from tests.support.configs import QUICK_ROLLOUT
from tests.support.recorded_outputs import RecordedOutputs
from tests.support.waiting import eventually

pytestmark = pytest.mark.external

BOTH = "endpoint.traffic={tff-blue: 50, tff-green: 50}"
RAISES = "def init(): pass\ndef run(raw_data): raise ValueError('never')\n"


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deploying]:
    """Yield an endpoint with tff-blue and tff-green."""
    for made in deploying(tmp_path_factory.mktemp("deployed")):
        made.run()
        made.run("endpoint.deployment.name=tff-green")
        yield made


@pytest.fixture
def two(deployed: Deploying) -> Deploying:
    """Return the endpoint with all traffic at tff-blue."""
    deployed.update(
        auth_mode=AuthMode.key, traffic={"tff-blue": 100}, mirror_traffic={"tff-blue": 0}
    )
    deployed.script(SCRIPT)
    return deployed


# A rollout does not replace a deployment with traffic.


@pytest.mark.parametrize(
    ("traffic", "new", "remedy"),
    [
        (
            {"tff-green": 100},
            "tff-green with 100 %",
            "use tff-blue, which has no traffic: endpoint.deployment.name=tff-blue",
        ),
        (
            {"tff-blue": 90, "tff-green": 10},
            "tff-green with 10 %",
            f"finish the last rollout with mnist-exp stage=deploy endpoint.name={NAME} "
            "'endpoint.traffic={tff-green: 100}', or undo the last rollout with "
            "'endpoint.traffic={tff-blue: 100}'",
        ),
    ],
)
def test_a_rollout_never_replaces_what_has_traffic(
    two: Deploying, traffic: dict[str, int], new: str, remedy: str
) -> None:
    two.update(traffic=traffic)
    two.script(RAISES)
    before = two.processes("tff-green")
    line = f"endpoint.deployment.name: must name a deployment without traffic for a rollout, got {new}; {remedy}"  # noqa: E501
    assert two.faults(*QUICK_ROLLOUT) == [line]
    # The stage checks again, since the traffic may change after the checks.
    with pytest.raises(ConfigError, match="must name a deployment without traffic"):
        two.run_unchecked(*QUICK_ROLLOUT)
    assert two.processes("tff-green") == before
    assert two.now.traffic == traffic


def test_without_an_idle_deployment_a_new_name_is_needed(tmp_path: Path) -> None:
    for made in deploying(tmp_path):
        made.run(*QUICK_ROLLOUT)
        assert "no deployment has traffic yet: tff-green gets 100 %" in "\n".join(made.said)
        (line,) = made.faults(*QUICK_ROLLOUT)
        assert line.endswith(
            "; choose the name of a new deployment with endpoint.deployment.name=NAME"
        )
        made.run(*QUICK_ROLLOUT, "endpoint.deployment.name=tff-blue")
        assert made.now.traffic == {"tff-blue": 100}


def test_a_rollout_rolls_back_after_the_front_was_killed(two: Deploying) -> None:
    (worker,) = two.processes("tff-blue")
    front = psutil.Process(worker).parent()
    assert front is not None
    front.kill()
    eventually(lambda: process_id(front.pid) is None)
    two.script(RAISES)
    with pytest.raises(EndpointError, match="rolled back"):
        two.run(*QUICK_ROLLOUT)
    assert two.now.traffic == {"tff-blue": 100}


# Names.


@pytest.mark.parametrize("key", ["traffic", "mirror_traffic"])
def test_an_unknown_deployment_is_found_before_deploying(two: Deploying, key: str) -> None:
    before = two.processes("tff-blue")
    two.script(RAISES)
    wrong = f"endpoint.{key}={{tff-gren: 0, red: 0}}"
    assert two.faults(wrong) == [
        f"endpoint.{key}.tff-gren: must name a deployment of the endpoint; there are: tff-blue, "
        "tff-green; did you mean 'tff-green'?",
        f"endpoint.{key}.red: must name a deployment of the endpoint; there are: tff-blue, "
        "tff-green",
    ]
    with pytest.raises(ConfigError, match="tff-gren"):
        two.run_unchecked(wrong)
    assert two.processes("tff-blue") == before


def test_all_faults_are_reported_at_once(two: Deploying) -> None:
    lines = two.faults("endpoint.traffic={tff-gren: 0}", "endpoint.deployment.scoring_script=null")
    assert [line.partition(":")[0] for line in lines] == [
        "endpoint.deployment.scoring_script",
        "endpoint.traffic.tff-gren",
    ]


def test_regenerating_a_key_creates_nothing(two: Deploying) -> None:
    words = ["endpoint.regenerate_key=primary", "endpoint.deployment.name=tff-red"]
    (line,) = two.faults(*words, "endpoint.traffic={tff-red: 100}")
    assert line.startswith("endpoint.traffic.tff-red: must name a deployment of the endpoint")
    (line,) = two.faults("endpoint.regenerate_key=primary", "endpoint.name=nobodys")
    assert line.startswith("endpoint.name: no endpoint 'nobodys' here")


def test_a_deployment_gets_live_or_mirrored_traffic_not_both(two: Deploying) -> None:
    two.update(mirror_traffic={"tff-green": 10})
    (line,) = two.faults(BOTH)
    assert line.startswith("endpoint.mirror_traffic.tff-green: must name a deployment without live")


@pytest.mark.parametrize(
    ("override", "line"),
    [
        ("endpoint.traffic={red: 100}", "endpoint.traffic.red: must be tff-blue"),
        ("endpoint.mirror_traffic={red: 10}", "endpoint.mirror_traffic.red: must be tff-blue"),
        ("endpoint.regenerate_key=primary", "endpoint.regenerate_key: must be omitted"),
    ],
)
def test_stage_all_concerns_no_other_endpoint(
    outputs: RecordedOutputs, override: str, line: str
) -> None:
    (fault,) = AllStages(outputs.context(Stage.all, override)).faults()
    assert fault.startswith(line)


# Other settings of the endpoint.


@pytest.mark.parametrize("override", ["endpoint.regenerate_key=primary", BOTH])
def test_changing_keys_or_traffic_changes_nothing_else(two: Deploying, override: str) -> None:
    two.update(auth_mode=AuthMode.aml_token, token_lifetime=60, description="mine")
    record = two.run(override)
    assert record.endpoint is not None
    assert record.endpoint["auth_mode"] == "aml_token"
    assert kept(two) == ("aml_token", 60, "mine")
    assert any("keeps aml_token; to change to key" in line for line in two.said)


def test_a_rollout_keeps_the_settings_of_the_endpoint(two: Deploying) -> None:
    two.update(auth_mode=AuthMode.aml_token, token_lifetime=60, description="mine")
    two.run(*QUICK_ROLLOUT)
    assert kept(two) == ("aml_token", 60, "mine")
    assert two.now.traffic == {"tff-green": 100}


def test_a_changed_auth_mode_is_printed(two: Deploying) -> None:
    two.update(auth_mode=AuthMode.aml_token)
    two.run()
    assert two.now.auth_mode == "key"
    line = f"endpoint.auth_mode: endpoint {NAME} changes from aml_token to key; to keep aml_token, use endpoint.auth_mode=aml_token"  # noqa: E501
    assert line in two.said


def kept(two: Deploying) -> tuple[str, int, str]:
    saved = json.loads((two.outputs.path / "endpoints" / NAME / "endpoint.json").read_text())
    return saved["auth_mode"], saved["token_lifetime"], saved["description"]


# Commands that do not set traffic.


def test_an_updated_deployment_keeps_its_share(two: Deploying) -> None:
    two.update(traffic={"tff-blue": 50, "tff-green": 50})
    before = two.processes("tff-blue")
    two.script(SCRIPT + "\n# other")
    two.run()
    assert two.processes("tff-blue") != before
    assert two.now.traffic == {"tff-blue": 50, "tff-green": 50}


def test_a_second_deployment_gets_traffic_only_when_asked(two: Deploying) -> None:
    two.run("endpoint.deployment.name=tff-green")
    assert two.now.traffic == {"tff-blue": 100}
    assert "tff-blue 100 %" in two.said[-1]
    assert two.said[-1].endswith(
        f"run mnist-exp stage=deploy endpoint.name={NAME} "
        "'endpoint.traffic={tff-blue: 90, tff-green: 10}'"
    )
    two.run("endpoint.traffic={tff-blue: 90, tff-green: 10}")
    assert two.now.traffic == {"tff-blue": 90, "tff-green": 10}


def test_the_next_deployment_of_an_endpoint_without_traffic_gets_all(two: Deploying) -> None:
    two.update(traffic={"tff-blue": 0})
    two.run("endpoint.deployment.name=tff-green")
    assert two.now.traffic == {"tff-green": 100}


def test_setting_traffic_says_that_nothing_is_deployed(two: Deploying) -> None:
    before = two.processes("tff-green")
    two.script(RAISES)
    two.run(BOTH, "endpoint.deployment.name=tff-green")
    assert two.said[-2:] == [
        "changed the traffic",
        "no code was deployed, so endpoint.deployment.code had no effect; to deploy tff-green, run "
        f"mnist-exp stage=deploy endpoint.name={NAME} without the overrides for keys and traffic",
    ]
    assert two.processes("tff-green") == before
