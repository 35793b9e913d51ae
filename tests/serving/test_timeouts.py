"""A `run` that takes too long: the time limits of Azure ML's own server."""

from dataclasses import asdict

import pytest

from mnist_exp.config import DeploymentConfig, RequestSettingsConfig
from mnist_exp.serving.settings import Settings
from tests.support.scoring_service import NAME, Service


def set_variables(service: Service, **variables: str) -> None:
    """Deploy with these environment variables. Two requests may arrive at a time."""
    variables |= {"GATE": str(service.gate), "COLOUR": "blue"}
    service.deploy(
        environment_variables=variables, request_settings=RequestSettingsConfig(20_000, 2)
    )


def pid(service: Service) -> int:
    """Return the process id of a worker. On a busy machine, a request may take too long."""
    while (reply := service.score("pid")).status_code != 200:
        pass
    answer: int = reply.json()
    return answer


def test_a_run_that_takes_too_long_is_cancelled(changeable: Service):
    set_variables(changeable, SCORING_TIMEOUT_MS="300")
    before = pid(changeable)
    for _ in range(2):
        reply = changeable.score("wait")
        assert reply.status_code == 424
        assert reply.json() == {"message": "Scoring timeout after 300 ms"}
        assert reply.headers["ms-azureml-model-error-statuscode"] == "500"
    assert pid(changeable) == before
    answer = changeable.curl("-d", "wait")
    assert answer == '{"message": "Scoring timeout after 300 ms"} 424'
    assert "TimeoutError: run() took longer than SCORING_TIMEOUT_MS, 300 ms" in (
        changeable.log.read_text()
    )


def test_a_worker_whose_run_hangs_is_replaced(changeable: Service):
    set_variables(changeable, WORKER_TIMEOUT="0.5")
    before = pid(changeable)
    # The request is sent to a second worker.
    assert changeable.score("wait").status_code == 502
    assert pid(changeable) != before
    assert "run() has hung for 0.5 s (WORKER_TIMEOUT)" in changeable.log.read_text()


@pytest.mark.parametrize(
    ("count", "limit", "workers"), [("1", 4, 2), ("2", 4, 4), ("3", 1, 2), ("9", 2, 4)]
)
def test_an_instance_has_at_most_as_many_workers_as_requests(count: str, limit: int, workers: int):
    request_settings = RequestSettingsConfig(5000, limit)
    deployment = DeploymentConfig(instance_count=2, request_settings=request_settings)
    assert Settings(asdict(deployment), {"WORKER_COUNT": count}).worker_count == workers


def test_an_instance_may_have_several_workers(changeable: Service):
    set_variables(changeable, WORKER_COUNT="2")
    statistics = changeable.endpoints.statistics(NAME)["blue"]
    assert len(set(statistics.processes)) == 2
    assert changeable.score("thread").json() is True
