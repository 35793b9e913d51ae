import pytest

from mnist_exp.workspaces.local.endpoints.traffic import mirror_faults, traffic_faults

NAMES = ["blue", "green"]


@pytest.mark.parametrize(
    "traffic", [{}, {"blue": 0}, {"blue": 100}, {"blue": 90, "green": 10}, {"blue": 0, "green": 0}]
)
def test_a_sum_of_0_or_100_is_allowed(traffic: dict[str, int]):
    assert traffic_faults(traffic, NAMES) == []


@pytest.mark.parametrize(
    ("traffic", "fault"),
    [
        ({"blue": 90}, "must sum to 0 or 100, got 90"),
        ({"blue": 100, "green": 10}, "got 110"),
        ({"blue": 110, "green": -10}, "endpoint.traffic.blue: must be a whole number"),
        ({"blue": True, "green": 99}, "got True"),
        ({"red": 100}, "endpoint.traffic.red: must name a deployment of the endpoint; there are: "),
    ],
)
def test_a_fault_names_key_rule_and_value(traffic: dict[str, int], fault: str):
    assert fault in " ".join(traffic_faults(traffic, NAMES))


def test_without_deployments_the_fault_says_to_deploy_first():
    assert "deploy first" in traffic_faults({"blue": 100}, [])[0]


@pytest.mark.parametrize(
    ("mirror", "traffic", "fault"),
    [
        ({"green": 51}, {"blue": 100}, "endpoint.mirror_traffic.green: must be at most 50, got 51"),
        ({"green": 5, "blue": 5}, {}, "must name one deployment, got blue, green"),
        ({"blue": 5}, {"blue": 100}, "must name a deployment without live traffic"),
        ({"red": 5}, {"blue": 100}, "endpoint.mirror_traffic.red: must name a deployment"),
        ({"green": -5}, {"blue": 100}, "must be a whole number"),
    ],
)
def test_a_fault_of_the_mirror(mirror: dict[str, int], traffic: dict[str, int], fault: str):
    assert fault in " ".join(mirror_faults(mirror, traffic, NAMES))


@pytest.mark.parametrize("mirror", [{}, {"green": 50}, {"green": 0}, {"blue": 0, "green": 1}])
def test_a_mirror_that_is_allowed(mirror: dict[str, int]):
    assert mirror_faults(mirror, {"blue": 100}, NAMES) == []
