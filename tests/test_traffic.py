"""The rules for an endpoint's traffic."""

import pytest

from mnist_exp.traffic import (
    overlap_faults,
    rollout_faults,
    share_faults,
    unknown_deployment_faults,
)

NAMES = ["blue", "green"]


@pytest.mark.parametrize(
    "traffic", [{}, {"blue": 0}, {"blue": 100}, {"blue": 90, "green": 10}, {"blue": 0, "green": 0}]
)
def test_a_sum_of_0_or_100_is_allowed(traffic: dict[str, int]):
    assert share_faults(traffic, {}) == unknown_deployment_faults(traffic, {}, NAMES) == []


@pytest.mark.parametrize(
    ("traffic", "fault"),
    [
        ({"blue": 90}, "must sum to 0 or 100, got 90"),
        ({"blue": 100, "green": 10}, "got 110"),
        ({"blue": 110, "green": -10}, "endpoint.traffic.blue: must be a whole percentage"),
        ({"blue": True, "green": 99}, "got True"),
        ({"red": 100}, "endpoint.traffic.red: must name a deployment of the endpoint; there are: "),
    ],
)
def test_a_fault_names_key_rule_and_value(traffic: dict[str, int], fault: str):
    found = share_faults(traffic, {}) + unknown_deployment_faults(traffic, {}, NAMES)
    assert fault in " ".join(found)


def test_without_deployments_the_fault_says_to_deploy_first():
    assert "deploy first" in unknown_deployment_faults({"blue": 100}, {}, [])[0]


@pytest.mark.parametrize(
    ("mirror", "traffic", "fault"),
    [
        (
            {"green": 51},
            {"blue": 100},
            "endpoint.mirror_traffic.green: must be a whole percentage from 0 to 50, got 51",
        ),
        ({"green": 5, "blue": 5}, {}, "must name one deployment, got blue, green"),
        ({"blue": 5}, {"blue": 100}, "must name a deployment without live traffic"),
        ({"red": 5}, {"blue": 100}, "endpoint.mirror_traffic.red: must name a deployment"),
        ({"green": -5}, {"blue": 100}, "must be a whole percentage"),
    ],
)
def test_a_fault_of_the_mirror(mirror: dict[str, int], traffic: dict[str, int], fault: str):
    found = share_faults({}, mirror) + unknown_deployment_faults({}, mirror, NAMES)
    assert fault in " ".join(found + overlap_faults(traffic, mirror))


@pytest.mark.parametrize("mirror", [{}, {"green": 50}, {"green": 0}, {"blue": 0, "green": 1}])
def test_a_mirror_that_is_allowed(mirror: dict[str, int]):
    assert share_faults({}, mirror) == unknown_deployment_faults({}, mirror, NAMES) == []
    assert overlap_faults({"blue": 100}, mirror) == []


def test_all_faults_of_a_command_are_found_at_once():
    found = share_faults({"blue": -10, "green": 60}, {"blue": 60, "green": 5})
    assert [line.partition(":")[0] for line in found] == [
        "endpoint.traffic.blue",
        "endpoint.mirror_traffic.blue",
        "endpoint.traffic",
        "endpoint.mirror_traffic",
    ]


@pytest.mark.parametrize(
    ("live", "remedy"),
    [
        ({"green": 100}, "endpoint.deployment.name=blue"),
        ({"blue": 90, "green": 10}, "or undo the last rollout with 'endpoint.traffic={blue: 100}'"),
    ],
)
def test_a_rollout_replaces_only_a_deployment_without_traffic(live: dict[str, int], remedy: str):
    (fault,) = rollout_faults("digits", "green", live, NAMES)
    assert fault.startswith("endpoint.deployment.name: must name a deployment without traffic")
    assert fault.endswith(remedy)
    assert rollout_faults("digits", "red", live, NAMES) == []
