import random

import pytest

from mnist_exp.workspaces.local.endpoints.traffic import busiest, draw, traffic_faults

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


def test_the_busiest_has_most_traffic_and_nobody_is_without_any():
    assert busiest({"blue": 10, "green": 90}) == "green"
    assert busiest({"blue": 0}) is None
    assert busiest({}) is None


def test_requests_are_drawn_by_weight_and_never_for_0_percent():
    generator = random.Random(1)
    drawn = [draw({"blue": 90, "green": 10, "red": 0}, generator) for _ in range(10_000)]
    assert 0.08 < drawn.count("green") / len(drawn) < 0.12
    assert "red" not in drawn
    assert draw({"blue": 0}, generator) is None
