"""The deployment that answers: traffic, header, mirror; over real sockets."""

from collections import Counter

import pytest

from mnist_exp.config import RequestSettingsConfig
from mnist_exp.errors import ConfigError
from mnist_exp.serving.routing import Routing
from tests.support.scoring_service import Service
from tests.support.waiting import eventually

HEADER = "azureml-model-deployment"


@pytest.fixture(scope="module")
def two(service: Service) -> Service:
    """Blue has all the traffic, green none."""
    service.deploy("green")
    return service


@pytest.fixture(autouse=True)
def restored(two: Service):
    yield
    two.update(traffic={"blue": 100}, mirror_traffic={"green": 0})


def test_without_traffic_it_is_404(two: Service):
    two.update(traffic={"blue": 0})
    reply = two.score("note")
    assert (reply.status_code, "no deployment has traffic" in reply.text) == (404, True)
    assert HEADER not in reply.headers


def test_a_new_deployment_has_no_traffic(two: Service):
    assert {two.score("note").json() for _ in range(20)} == {"blue"}


def test_the_header_routes_to_a_deployment_without_traffic(two: Service):
    reply = two.score("note", **{HEADER: "green"})
    assert (reply.json(), reply.headers[HEADER]) == ("green", "green")
    two.update(traffic={"blue": 0})
    assert two.score("note", **{HEADER: "green"}).status_code == 200


def test_traffic_is_split_by_percent(two: Service):
    two.update(traffic={"blue": 50, "green": 50})
    with two.client as client:
        answers = Counter(client.post("/score", content="note").json() for _ in range(200))
    assert min(answers["blue"], answers["green"]) > 50


@pytest.mark.parametrize("traffic", [{"blue": 90}, {"blue": 60, "green": 60}, {"red": 100}])
def test_traffic_that_breaks_a_rule_changes_nothing(two: Service, traffic: dict[str, int]):
    with pytest.raises(ConfigError, match=r"endpoint\.traffic"):
        two.update(traffic=traffic)
    assert two.score("note").json() == "blue"


def test_copies_go_to_the_mirror_and_their_answers_are_discarded(two: Service):
    two.update(mirror_traffic={"green": 50})
    before = two.noted("green")
    with two.client as client:
        answers = {client.post("/score", content="note").json() for _ in range(200)}
    assert answers == {"blue"}
    eventually(lambda: 50 < two.noted("green") - before < 150)


def test_a_request_with_the_header_is_not_mirrored(two: Service):
    two.update(mirror_traffic={"green": 50})
    with two.client as client:
        for _ in range(50):
            client.post("/score", content="note", headers={HEADER: "blue"})
        before = two.noted("green")
        # This request to green arrives after any copy that there could be.
        client.post("/score", content="note", headers={HEADER: "green"})
    assert two.noted("green") == before + 1


@pytest.mark.parametrize(
    ("mirror", "fault"),
    [
        ({"green": 51}, "from 0 to 50, got 51"),
        ({"blue": 10}, "without live traffic"),
        ({"red": 10}, "must name a deployment"),
    ],
)
def test_a_mirror_that_breaks_a_rule_is_refused(two: Service, mirror: dict[str, int], fault: str):
    with pytest.raises(ConfigError, match=fault):
        two.update(mirror_traffic=mirror)


def test_a_mirror_that_hangs_or_fails_does_not_slow_the_live_answer(own: Service):
    # More copies than may be pending: the endpoint drops the others.
    sleeps = "import time\ndef init(): pass\ndef run(raw_data): time.sleep(600)"
    own.deploy("green", sleeps, request_settings=RequestSettingsConfig(1000, 1))
    own.update(mirror_traffic={"green": 50})
    with own.client as client:
        assert {client.post("/score", content="note").status_code for _ in range(100)} == {200}
    own.update(mirror_traffic={"green": 0})


def test_deployments_are_drawn_by_their_percent_and_never_at_0():
    routing = Routing({"blue": 90, "green": 10, "red": 0}, {"green": 0})
    drawn = Counter(routing.deployment() for _ in range(10_000))
    assert 800 < drawn["green"] < 1200
    assert set(drawn) == {"blue", "green"}
    assert routing.mirror() is None
    assert Routing({}, {}).deployment() is None
