"""Behaviour that stages rely on, on every workspace."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

import pytest

from mnist_exp.errors import EndpointError, MnistExpError, NotFoundError, RefusedError
from mnist_exp.specs import EndpointSpec, ModelSpec
from mnist_exp.status import JobStatus
from mnist_exp.workspaces.base import JobInterrupted, Workspace
from tests.contracts.experiment import Place
from tests.support.waiting import eventually


def test_a_job_completes_with_its_metrics_parameters_and_files(place: Place) -> None:
    workspace = place.opener()
    assert workspace.get_or_create_compute(place.compute).name == "cpu-cluster"
    result, watcher = place.run(place.job("train_1"))
    assert (result.name, result.status, result.why) == ("train_1", JobStatus.COMPLETED, "")
    assert [(point.value, point.step) for point in result.metrics["score"]] == [
        (0.5, 1),
        (1.0, 2),
        (1.5, 3),
    ]
    assert result.last_metrics == {"score": 1.5}
    assert result.parameters == {"lr": 0.5, "fail_above": 10}
    assert watcher.seen[-1].status is JobStatus.COMPLETED
    weight = workspace.download("train_1", "outputs/model/weight.txt")
    assert weight is not None
    assert weight.read_text(encoding="utf-8") == "0.5"
    assert workspace.download("train_1", "lost.txt") is None
    log = workspace.download("train_1", "user_logs/std_log.txt")
    assert log is not None
    assert "it reads some digits" in log.read_text(encoding="utf-8")
    assert "it reads some digits" in list(workspace.job_log("train_1"))


def test_a_failed_job_reports_its_cause_and_keeps_its_metrics(place: Place) -> None:
    place.opener().get_or_create_compute(place.compute)
    result, _ = place.run(place.job("train_2", lr=11.0))
    assert result.status is JobStatus.FAILED
    assert "exit code 1" in result.why
    assert result.last_metrics == {"score": 33.0}


def test_another_command_sees_and_cancels_a_running_job(place: Place) -> None:
    place.opener().get_or_create_compute(place.compute)
    other = place.opener()
    assert other.job_result("train_3") is None
    with ThreadPoolExecutor(1) as commands:
        watched = commands.submit(place.run, place.job("train_3", lr=-1.0))
        eventually(lambda: _metrics(other, "train_3").get("score"))
        assert other.find_job("train_3") is JobStatus.RUNNING
        other.cancel_job("train_3")
        try:
            result, _ = watched.result()
        except JobInterrupted as interrupt:
            result = interrupt.result
    assert result.status is JobStatus.CANCELED
    seen = other.job_result("train_3")
    assert seen is not None
    assert (seen.status, seen.parameters["lr"]) == (JobStatus.CANCELED, -1.0)
    with pytest.raises(RefusedError, match="run: must name a running job, got train_3, which is C"):
        other.cancel_job("train_3")


def _metrics(workspace: Workspace, job: str) -> Mapping[str, object]:
    found = workspace.job_result(job)
    return found.metrics if found else {}


def test_the_whole_way_from_a_sweep_to_an_answer(place: Place) -> None:
    workspace = place.opener()
    workspace.get_or_create_compute(place.compute)
    result, _ = place.run(place.sweep("sweep_1", 0.25, 2.0, 11.0))
    assert result.status is JobStatus.COMPLETED
    trials = {trial.parameters["lr"]: trial for trial in result.trials}
    assert {value: trial.best for value, trial in trials.items()} == {
        0.25: 0.75,
        2.0: 6.0,
        11.0: 33.0,
    }
    assert trials[11.0].status is JobStatus.FAILED
    assert trials[0.25].status is JobStatus.COMPLETED
    assert [trial.name for trial in result.trials] == ["sweep_1_0", "sweep_1_1", "sweep_1_2"]
    assert result.best == trials[11.0].name
    assert result.last_metrics == {"score": 33.0}

    good = trials[2.0].name
    model = place.opener().register_model(ModelSpec("weights", good, "outputs/model"))
    assert (model.name, model.version, model.job) == ("weights", "1", good)

    weight = workspace.model_file("weights:1", "weight.txt")
    assert weight is not None
    assert weight.read_text(encoding="utf-8") == "2.0"
    assert workspace.model_file("weights:1", "lost.txt") is None

    with pytest.raises(NotFoundError, match="endpoint-1"):
        workspace.get_endpoint("endpoint-1")
    workspace.create_or_update_endpoint(EndpointSpec("endpoint-1"))
    try:
        check_endpoint(place, f"{model.name}:{model.version}")
    finally:
        place.opener().delete_endpoint("endpoint-1")
    with pytest.raises(NotFoundError, match="endpoint-1"):
        place.opener().get_endpoint("endpoint-1")
    with pytest.raises(NotFoundError):
        place.opener().delete_endpoint("endpoint-1")


def check_endpoint(place: Place, model: str) -> None:
    workspace = place.opener()
    made = workspace.create_or_update_deployment(place.deployment("endpoint-1", "blue", model))
    assert (made.name, made.model, made.provisioning_state) == ("blue", model, "Succeeded")
    body = b'{"data": [1, 2]}'
    assert workspace.invoke("endpoint-1", body, "blue") == [2.0, 2.0]
    with pytest.raises(EndpointError, match="404"):
        workspace.invoke("endpoint-1", body)
    workspace.create_or_update_endpoint(EndpointSpec("endpoint-1", traffic={"blue": 100}))
    assert place.opener().invoke("endpoint-1", body) == [2.0, 2.0]
    with pytest.raises(EndpointError, match="424"):
        workspace.invoke("endpoint-1", b"[]")
    endpoint = place.opener().get_endpoint("endpoint-1")
    assert endpoint.traffic == {"blue": 100}
    assert [one.name for one in endpoint.deployments] == ["blue"]
    assert workspace.logs("endpoint-1", "blue")
    with pytest.raises(MnistExpError, match="traffic"):
        workspace.delete_deployment("endpoint-1", "blue")
    workspace.create_or_update_endpoint(EndpointSpec("endpoint-1", traffic={"blue": 0}))
    workspace.delete_deployment("endpoint-1", "blue")
    assert place.opener().get_endpoint("endpoint-1").deployments == []
    with pytest.raises(NotFoundError):
        workspace.delete_deployment("endpoint-1", "blue")


def test_missing_things_raise_our_errors(place: Place) -> None:
    workspace = place.opener()
    with pytest.raises(MnistExpError):
        workspace.register_model(ModelSpec("weights", "nobody", "outputs/model"))
    with pytest.raises(NotFoundError):
        workspace.get_endpoint("endpoint-9")
    assert workspace.find_job("nobody") is None
    assert list(workspace.costs()) == []
