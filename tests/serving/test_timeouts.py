"""A `run` that takes too long: the limits that Azure ML's own server has."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from mnist_exp.config import RequestSettingsConfig
from mnist_exp.serving.settings import Settings
from mnist_exp.serving.worker_pool import CRASHES
from tests.serving.service import NAME, Service, serve
from tests.support.waiting import eventually


@pytest.fixture
def variables() -> dict[str, str]:
    return {}


@pytest.fixture
def limited(tmp_path: Path, variables: dict[str, str]) -> Iterator[Service]:
    given = {"GATE": str(tmp_path / "gate"), "COLOUR": "blue", **variables}
    yield from serve(tmp_path, RequestSettingsConfig(20_000, 2), environment_variables=given)


@pytest.mark.parametrize("variables", [{"SCORING_TIMEOUT_MS": "300"}])
def test_a_run_that_takes_too_long_is_given_up(limited: Service):
    before = limited.score("pid").json()
    # More of them than there are slots.
    for _ in range(3):
        reply = limited.score("wait")
        assert (reply.status_code, reply.json()) == (
            424,
            {"message": "Scoring timeout after 300 ms"},
        )
        assert reply.headers["ms-azureml-model-error-statuscode"] == "500"
    assert limited.score("pid").json() == before
    answer = limited.curl("-d", "wait")
    assert answer == '{"message":"Scoring timeout after 300 ms"} 424'
    assert "run() was given up after 300 ms (SCORING_TIMEOUT_MS)" in limited.log.read_text()


@pytest.mark.parametrize("variables", [{"WORKER_TIMEOUT": "1"}])
def test_a_worker_in_which_a_run_hangs_is_replaced(limited: Service):
    before = limited.score("pid").json()
    # It goes to another worker once.
    assert limited.score("wait").status_code == 502
    assert limited.score("pid").json() != before
    assert "run() has hung for 1 s (WORKER_TIMEOUT)" in limited.log.read_text()


@pytest.mark.parametrize("variables", [{"SCORING_TIMEOUT_MS": "300", "WORKER_TIMEOUT": "0.6"}])
def test_callers_whose_requests_hang_cannot_take_a_deployment_down(limited: Service):
    for number in range(CRASHES):
        assert limited.score("sleep").status_code == 424
        # No worker is up for as long as one has to be to count as stable.
        eventually(
            lambda number=number: limited.endpoints.statistics(NAME)["blue"].restarts > number
        )
    assert limited.endpoints.get(NAME).deployments[0].provisioning_state == "Succeeded"
    assert limited.score("none").status_code == 200


@pytest.mark.parametrize("variables", [{"SCORING_TIMEOUT_MS": "300", "WORKER_TIMEOUT": "2"}])
def test_a_run_that_no_exception_reaches_ends_its_worker_in_time(limited: Service):
    before = limited.score("pid").json()
    assert limited.score("sleep").json() == {"message": "Scoring timeout after 300 ms"}
    # Another thread answers meanwhile.
    assert limited.score("pid").json() == before
    eventually(lambda: "run() has hung for 2 s (WORKER_TIMEOUT)" in limited.log.read_text())
    eventually(lambda: limited.score("pid").status_code == 200)
    assert limited.score("pid").json() != before


@pytest.mark.parametrize(
    ("count", "limit", "slots"),
    [("1", 4, [4]), ("2", 4, [2, 2]), ("2", 3, [2, 1]), ("3", 1, [1]), ("9", 2, [1, 1])],
)
def test_the_workers_of_an_instance_share_its_limit(count: str, limit: int, slots: list[int]):
    settings = Settings("e", "d", None, 5000, limit, 1, {"WORKER_COUNT": count})
    assert settings.slots == slots


@pytest.mark.parametrize("variables", [{"WORKER_COUNT": "2"}])
def test_an_instance_may_have_several_workers(limited: Service):
    statistics = limited.endpoints.statistics(NAME)["blue"]
    assert len(set(statistics.processes)) == 2
    # Two requests at a time are one for each.
    assert limited.score("thread").json() is True
