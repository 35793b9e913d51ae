"""The earlier records that a stage starts from."""

from pathlib import Path

import pytest

from mnist_exp.config import Stage
from mnist_exp.errors import NotFoundError
from mnist_exp.results import Endpoint, RegisteredModel
from mnist_exp.stages import RUNNERS
from mnist_exp.stages.earlier_records import (
    deployed_endpoint,
    model_name,
    registered_model,
    source_job,
)
from mnist_exp.status import JobStatus
from tests.support.configs import config
from tests.support.recorded_outputs import RecordedOutputs

# The job that is registered.


def test_the_latest_completed_sweep_is_registered(outputs: RecordedOutputs) -> None:
    outputs.add(Stage.sweep, "first")
    outputs.add(Stage.sweep, "second")
    outputs.add(Stage.sweep, "third", JobStatus.FAILED)
    outputs.add(Stage.sweep, "fourth", JobStatus.CANCELED)
    outputs.add(Stage.sweep, "fifth", JobStatus.RUNNING)
    outputs.add(Stage.train, "training")
    assert source_job(outputs.context(Stage.register)).name == "second"


@pytest.mark.parametrize("name", ["first", "training"])
def test_a_run_is_registered_by_its_name(outputs: RecordedOutputs, name: str) -> None:
    for stage, one in ((Stage.sweep, "first"), (Stage.train, "training"), (Stage.sweep, "last")):
        outputs.add(stage, one)
    assert source_job(outputs.context(Stage.register, f"run={name}")).name == name


def test_without_a_sweep_the_message_has_the_remedy(outputs: RecordedOutputs) -> None:
    outputs.add(Stage.train, "training")
    with pytest.raises(NotFoundError, match=r"^run: no completed sweep in outputs; .*run=NAME$"):
        source_job(outputs.context(Stage.register))


@pytest.mark.parametrize("name", ["nobody", "failed", "model:1"])
def test_a_run_that_cannot_be_registered(outputs: RecordedOutputs, name: str) -> None:
    outputs.add(Stage.sweep, "fine")
    outputs.add(Stage.sweep, "failed", JobStatus.FAILED)
    outputs.add(Stage.register, "model:1")
    with pytest.raises(NotFoundError, match=rf"^run: must name a completed .*, got {name};"):
        source_job(outputs.context(Stage.register, f"run={name}"))


def test_a_sweep_without_a_best_trial_has_nothing_to_register(outputs: RecordedOutputs) -> None:
    outputs.add(Stage.sweep, "older")
    without = outputs.add(Stage.sweep, "latest", best=None)
    for context in (
        outputs.context(Stage.register),
        outputs.context(Stage.register, "run=latest"),
        outputs.context(Stage.all, produced={Stage.sweep: without}),
    ):
        with pytest.raises(NotFoundError, match=r"^run: sweep latest has no best trial"):
            source_job(context)


def test_a_sweep_of_the_same_command_comes_first(outputs: RecordedOutputs) -> None:
    outputs.add(Stage.sweep, "another command's")
    mine = outputs.add(Stage.sweep, "mine")
    outputs.add(Stage.sweep, "a third command's")
    assert source_job(outputs.context(Stage.all, produced={Stage.sweep: mine})) == mine


def test_the_register_stage_reports_a_missing_source_as_a_fault(outputs: RecordedOutputs) -> None:
    (fault,) = RUNNERS[Stage.register](outputs.context(Stage.register)).faults()
    assert fault.startswith("run: no completed sweep")
    outputs.add(Stage.sweep, "fine")
    assert RUNNERS[Stage.register](outputs.context(Stage.register)).faults() == []


# The model that is deployed.


#: Registered model -> its versions. mnist-exp has registered only some of them.
VERSIONS = {"model": ["1", "2", "10"], "theirs": ["3"]}


class WithModels:
    """A workspace that has only registered models."""

    def find_model(self, name: str, version: str | None = None) -> RegisteredModel | None:
        """Return the model, by default its newest version."""
        known = VERSIONS.get(name, [])
        number = version or known[-1] if known else ""
        return RegisteredModel(name, number, "/m", "") if number in known else None

    def get_endpoint(self, name: str) -> Endpoint:
        """Fail: there is no endpoint."""
        raise NotFoundError(f"endpoint.name: no endpoint {name}")


def deployed_model(outputs: RecordedOutputs, *overrides: str) -> str:
    context = outputs.context(Stage.deploy, *overrides, opener=WithModels)  # type: ignore[arg-type]
    found = registered_model(context)
    return f"{found['name']}:{found['version']}"


def test_the_model_to_deploy_is_the_latest_of_mnist_exp_or_the_named_model(
    outputs: RecordedOutputs, tmp_path: Path
) -> None:
    for name in ("theirs:3", "model:1", "model:2"):
        outputs.add(Stage.register, name)
    outputs.add(Stage.register, "model", JobStatus.FAILED)
    assert deployed_model(outputs) == "model:2"
    for word, expected in {
        "run=model:1": "model:1",
        "run=azureml:model:1": "model:1",
        # Another program has registered the version 10.
        "run=model": "model:10",
        "run=model@latest": "model:10",
        "run=models:/model/latest": "model:10",
        "run=models:/model/1": "model:1",
        "registration.name=model": "model:10",
        "registration.name=theirs": "theirs:3",
        "registration={name: theirs}": "theirs:3",
        # These options name no model.
        "registration=tutorial": "model:2",
        "registration=mlflow_model": "model:2",
    }.items():
        assert deployed_model(outputs, word) == expected
    (tmp_path / "registration").mkdir()
    (tmp_path / "registration" / "other.yaml").write_text("name: theirs\n", encoding="utf-8")
    other = config("stage=deploy", "registration=other", config_dir=tmp_path)
    assert model_name(other, outputs.index) == "theirs"


def test_a_model_of_the_same_command_comes_first(outputs: RecordedOutputs) -> None:
    mine = outputs.add(Stage.register, "model:1", model={"name": "model"})
    outputs.add(Stage.register, "model:2")
    context = outputs.context(Stage.all, produced={Stage.register: mine})
    assert registered_model(context) == mine.model


def test_a_missing_model_is_reported(outputs: RecordedOutputs) -> None:
    with pytest.raises(NotFoundError, match=r"^run: no registered model in outputs; register"):
        registered_model(outputs.context(Stage.deploy))
    # The user has deleted the model that mnist-exp registered.
    outputs.add(Stage.register, "model:9")
    for word in ("run=model:9", "seed=1"):
        with pytest.raises(
            NotFoundError, match=r"^run: .* model:9 does .*; mnist-exp registered model:9; reg"
        ):
            deployed_model(outputs, word)


# The endpoint that is called or deleted.


def test_the_latest_endpoint_is_called(outputs: RecordedOutputs) -> None:
    outputs.add(Stage.deploy, "first")
    outputs.add(Stage.deploy, "second")
    assert deployed_endpoint(outputs.context(Stage.invoke)) == "second"
    assert deployed_endpoint(outputs.context(Stage.invoke, "run=first")) == "first"


@pytest.mark.parametrize("stage", [Stage.invoke, Stage.cleanup])
def test_an_endpoint_that_no_record_names(outputs: RecordedOutputs, stage: Stage) -> None:
    outputs.add(Stage.deploy, "first")
    with pytest.raises(NotFoundError, match=r"^run: no endpoint other is deployed from"):
        deployed_endpoint(outputs.context(stage, "run=other"))


def test_a_deleted_endpoint_is_not_found(outputs: RecordedOutputs) -> None:
    outputs.add(Stage.deploy, "first")
    outputs.add(Stage.deploy, "second")
    outputs.add(Stage.cleanup, "second")
    assert deployed_endpoint(outputs.context(Stage.invoke)) == "first"
    outputs.add(Stage.cleanup, "first")
    with pytest.raises(NotFoundError, match=r"^endpoint\.name: no endpoint is deployed from"):
        deployed_endpoint(outputs.context(Stage.cleanup))


@pytest.mark.parametrize("status", [JobStatus.FAILED, JobStatus.CANCELED, JobStatus.RUNNING])
def test_an_endpoint_whose_cleanup_was_not_completed_is_found(
    outputs: RecordedOutputs, status: JobStatus
) -> None:
    outputs.add(Stage.deploy, "first")
    outputs.add(Stage.cleanup, "first", status)
    assert deployed_endpoint(outputs.context(Stage.cleanup)) == "first"


def test_an_endpoint_that_was_created_again_is_found(outputs: RecordedOutputs) -> None:
    outputs.add(Stage.deploy, "mine")
    outputs.add(Stage.cleanup, "mine")
    outputs.add(Stage.deploy, "mine")
    assert deployed_endpoint(outputs.context(Stage.invoke)) == "mine"


def test_an_endpoint_whose_deployment_failed_can_be_cleaned_up(outputs: RecordedOutputs) -> None:
    outputs.add(Stage.deploy, "broken", JobStatus.FAILED)
    assert deployed_endpoint(outputs.context(Stage.cleanup)) == "broken"


def test_an_endpoint_whose_deployment_failed_is_not_called(outputs: RecordedOutputs) -> None:
    outputs.add(Stage.deploy, "broken", JobStatus.FAILED)
    with pytest.raises(
        NotFoundError, match=r"endpoint broken cannot answer.*run stage=deploy again"
    ):
        deployed_endpoint(outputs.context(Stage.invoke))


def test_a_named_endpoint_needs_no_record(outputs: RecordedOutputs) -> None:
    assert (
        deployed_endpoint(outputs.context(Stage.invoke, "endpoint.name=elsewhere")) == "elsewhere"
    )


def test_an_endpoint_of_the_same_command_comes_first(outputs: RecordedOutputs) -> None:
    mine = outputs.add(Stage.deploy, "mine")
    outputs.add(Stage.deploy, "another command's")
    context = outputs.context(Stage.all, produced={Stage.deploy: mine})
    assert deployed_endpoint(context) == "mine"


# The endpoint that gets a deployment.


def test_a_new_endpoint_has_a_new_name(outputs: RecordedOutputs) -> None:
    names = {RUNNERS[Stage.deploy](outputs.context(Stage.deploy)).name for _ in range(20)}
    assert len(names) == 20
    assert all(name.startswith("tff-dnn-endpoint-") and len(name) == 25 for name in names)


def test_a_second_deployment_joins_the_latest_endpoint(
    outputs: RecordedOutputs,
) -> None:
    outputs.add(Stage.register, "model:1")
    outputs.add(Stage.deploy, "mine")
    outputs.add(Stage.register, "model:2")
    for overrides in ([], ["run=model:1"]):
        words = ["endpoint=blue_green", *overrides]
        context = outputs.context(Stage.deploy, *words, opener=WithModels)  # type: ignore[arg-type]
        deploy = RUNNERS[Stage.deploy](context)
        assert deploy.faults() == []
        assert deploy.name == "mine"


def test_a_deployment_without_model_and_endpoint_has_two_faults(outputs: RecordedOutputs) -> None:
    faults = RUNNERS[Stage.deploy](outputs.context(Stage.deploy, "endpoint.reuse=true")).faults()
    assert [fault.partition(":")[0] for fault in faults] == ["run", "endpoint.name"]
