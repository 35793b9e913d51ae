import pytest

from mnist_exp.config import Stage
from mnist_exp.errors import NotFoundError
from mnist_exp.specs import EndpointSpec
from mnist_exp.stages import RUNNERS
from mnist_exp.stages.earlier_records import (
    CONFIG_NAME,
    deployed_endpoint,
    registered_model,
    source_job,
    unfinished_training,
)
from mnist_exp.stages.resume import begun_endpoint
from mnist_exp.status import JobStatus
from mnist_exp.workspaces.local.workspace import LocalWorkspace
from tests.stages.bench import Bench

# What is registered.


def test_the_latest_completed_sweep_is_registered(bench: Bench) -> None:
    bench.add(Stage.sweep, "first")
    bench.add(Stage.sweep, "second")
    bench.add(Stage.sweep, "third", JobStatus.FAILED)
    bench.add(Stage.sweep, "fourth", JobStatus.CANCELED)
    bench.add(Stage.sweep, "fifth", JobStatus.RUNNING)
    bench.add(Stage.train, "training")
    assert source_job(bench.context(Stage.register)).name == "second"


@pytest.mark.parametrize("name", ["first", "training"])
def test_a_run_is_registered_by_its_name(bench: Bench, name: str) -> None:
    for stage, one in ((Stage.sweep, "first"), (Stage.train, "training"), (Stage.sweep, "last")):
        bench.add(stage, one)
    assert source_job(bench.context(Stage.register, f"run={name}")).name == name


def test_without_a_sweep_the_way_out_is_named(bench: Bench) -> None:
    bench.add(Stage.train, "training")
    with pytest.raises(NotFoundError, match=r"^run: no completed sweep in outputs; .*run=NAME$"):
        source_job(bench.context(Stage.register))


@pytest.mark.parametrize("name", ["nobody", "failed", "model:1"])
def test_a_run_that_cannot_be_registered(bench: Bench, name: str) -> None:
    bench.add(Stage.sweep, "fine")
    bench.add(Stage.sweep, "failed", JobStatus.FAILED)
    bench.add(Stage.register, "model:1")
    with pytest.raises(NotFoundError, match=rf"^run: must name a completed .*, got {name};"):
        source_job(bench.context(Stage.register, f"run={name}"))


def test_a_sweep_without_a_best_trial_has_nothing_to_register(bench: Bench) -> None:
    bench.add(Stage.sweep, "older")
    without = bench.add(Stage.sweep, "latest", best=None)
    for context in (
        bench.context(Stage.register),
        bench.context(Stage.register, "run=latest"),
        bench.context(Stage.all, produced={Stage.sweep: without}),
    ):
        with pytest.raises(NotFoundError, match=r"^run: sweep latest has no best trial"):
            source_job(context)


def test_a_sweep_of_the_same_command_comes_first(bench: Bench) -> None:
    bench.add(Stage.sweep, "another command's")
    mine = bench.add(Stage.sweep, "mine")
    bench.add(Stage.sweep, "a third command's")
    assert source_job(bench.context(Stage.all, produced={Stage.sweep: mine})) == mine


def test_the_stage_reports_it_as_a_fault(bench: Bench) -> None:
    (fault,) = RUNNERS[Stage.register].faults(bench.context(Stage.register))
    assert fault.startswith("run: no completed sweep")
    bench.add(Stage.sweep, "fine")
    assert RUNNERS[Stage.register].faults(bench.context(Stage.register)) == []


# What training goes on with.


@pytest.mark.parametrize("status", [JobStatus.FAILED, JobStatus.CANCELED, JobStatus.RUNNING])
def test_training_goes_on_with_what_was_not_completed(bench: Bench, status: JobStatus) -> None:
    bench.add(Stage.train, "t", status)
    record, _ = unfinished_training(bench.context(Stage.train).index, "t")
    assert (record.name, record.status) == ("t", status)


def test_training_goes_on_with_the_newest_config_that_was_kept(bench: Bench) -> None:
    for status in (JobStatus.RUNNING, JobStatus.CANCELED, JobStatus.FAILED):
        bench.add(Stage.train, "t", status)
    index = bench.context(Stage.train).index
    newest, second, first = [folder for _, folder in index.newest_first(Stage.train)]
    assert unfinished_training(index, "t")[1] == newest
    for folder in (first, second):
        (folder / CONFIG_NAME).touch()
    record, found = unfinished_training(index, "t")
    assert (record.status, found) == (JobStatus.FAILED, second)


def test_completed_and_unknown_training_is_refused(bench: Bench) -> None:
    bench.add(Stage.train, "t")
    with pytest.raises(NotFoundError, match="which is Completed"):
        unfinished_training(bench.context(Stage.train).index, "t")
    with pytest.raises(NotFoundError, match="no training run nobody"):
        unfinished_training(bench.context(Stage.train).index, "nobody")


# What is deployed.


def test_the_latest_registered_model_is_deployed(bench: Bench) -> None:
    bench.add(Stage.register, "model:1")
    bench.add(Stage.register, "model:2")
    bench.add(Stage.register, "model", JobStatus.FAILED)
    assert registered_model(bench.context(Stage.deploy)).name == "model:2"
    assert registered_model(bench.context(Stage.deploy, "run=model:1")).name == "model:1"
    assert registered_model(bench.context(Stage.deploy, "run=model")).name == "model:2"


def test_a_model_of_the_same_command_comes_first(bench: Bench) -> None:
    mine = bench.add(Stage.register, "model:1")
    bench.add(Stage.register, "model:2")
    context = bench.context(Stage.all, produced={Stage.register: mine})
    assert registered_model(context) == mine


def test_a_model_that_is_not_there(bench: Bench) -> None:
    with pytest.raises(NotFoundError, match=r"^run: no registered model in outputs; register"):
        registered_model(bench.context(Stage.deploy))
    with pytest.raises(NotFoundError, match="no registered model named model:9 in"):
        registered_model(bench.context(Stage.deploy, "run=model:9"))
    bench.add(Stage.register, "model:1")
    with pytest.raises(NotFoundError, match="named model:9 in outputs, which has model:1; reg"):
        registered_model(bench.context(Stage.deploy, "run=model:9"))


# What is called and deleted.


def test_the_latest_endpoint_is_called(bench: Bench) -> None:
    bench.add(Stage.deploy, "first")
    bench.add(Stage.deploy, "second")
    assert deployed_endpoint(bench.context(Stage.invoke)) == "second"
    assert deployed_endpoint(bench.context(Stage.invoke, "run=first")) == "first"


@pytest.mark.parametrize("stage", [Stage.invoke, Stage.cleanup])
def test_an_endpoint_that_no_record_names(bench: Bench, stage: Stage) -> None:
    bench.add(Stage.deploy, "first")
    with pytest.raises(NotFoundError, match=r"^run: no endpoint other is deployed from"):
        deployed_endpoint(bench.context(stage, "run=other"))


def test_an_endpoint_that_was_cleaned_up_is_not_found_again(bench: Bench) -> None:
    bench.add(Stage.deploy, "first")
    bench.add(Stage.deploy, "second")
    bench.add(Stage.cleanup, "second")
    assert deployed_endpoint(bench.context(Stage.invoke)) == "first"
    bench.add(Stage.cleanup, "first")
    with pytest.raises(NotFoundError, match=r"^endpoint\.name: no endpoint is deployed from"):
        deployed_endpoint(bench.context(Stage.cleanup))


@pytest.mark.parametrize("status", [JobStatus.FAILED, JobStatus.CANCELED, JobStatus.RUNNING])
def test_an_endpoint_whose_cleanup_did_not_end_well_is_found(
    bench: Bench, status: JobStatus
) -> None:
    bench.add(Stage.deploy, "first")
    bench.add(Stage.cleanup, "first", status)
    assert deployed_endpoint(bench.context(Stage.cleanup)) == "first"


def test_an_endpoint_that_was_made_again_is_found(bench: Bench) -> None:
    bench.add(Stage.deploy, "mine")
    bench.add(Stage.cleanup, "mine")
    bench.add(Stage.deploy, "mine")
    assert deployed_endpoint(bench.context(Stage.invoke)) == "mine"


def test_an_endpoint_whose_deployment_failed_can_be_cleaned_up(bench: Bench) -> None:
    bench.add(Stage.deploy, "broken", JobStatus.FAILED)
    assert deployed_endpoint(bench.context(Stage.cleanup)) == "broken"


def test_an_endpoint_whose_deployment_failed_is_not_called(bench: Bench) -> None:
    bench.add(Stage.deploy, "broken", JobStatus.FAILED)
    with pytest.raises(NotFoundError, match=r"endpoint broken failed.*run stage=deploy again"):
        deployed_endpoint(bench.context(Stage.invoke))


def test_a_named_endpoint_needs_no_record(bench: Bench) -> None:
    assert deployed_endpoint(bench.context(Stage.invoke, "endpoint.name=elsewhere")) == "elsewhere"


def test_an_endpoint_of_the_same_command_comes_first(bench: Bench) -> None:
    mine = bench.add(Stage.deploy, "mine")
    bench.add(Stage.deploy, "another command's")
    context = bench.context(Stage.all, produced={Stage.deploy: mine})
    assert deployed_endpoint(context) == "mine"


# The endpoint that is deployed to.


def test_a_new_endpoint_has_a_new_name(bench: Bench) -> None:
    names = {RUNNERS[Stage.deploy].name(bench.context(Stage.deploy)) for _ in range(20)}
    assert len(names) == 20
    assert all(name.startswith("tff-dnn-endpoint-") and len(name) == 25 for name in names)


@pytest.mark.parametrize("status", [JobStatus.FAILED, JobStatus.RUNNING])
def test_an_endpoint_whose_first_deployment_was_not_through_is_gone_on_with(
    bench: Bench, status: JobStatus
) -> None:
    bench.add(Stage.deploy, "begun", status, workspace="local")
    workspace = LocalWorkspace(bench.outputs)
    context = bench.context(Stage.deploy, opener=lambda: workspace)
    assert begun_endpoint(context) is None
    workspace.create_or_update_endpoint(EndpointSpec("begun"))
    try:
        assert begun_endpoint(context) == "begun"
    finally:
        workspace.delete_endpoint("begun")
    assert begun_endpoint(context) is None


def test_an_endpoint_that_was_through_or_is_deleted_is_not_gone_on_with(bench: Bench) -> None:
    for status in (JobStatus.FAILED, JobStatus.COMPLETED, JobStatus.FAILED):
        bench.add(Stage.deploy, "through", status, workspace="local")
    bench.add(Stage.deploy, "deleted", JobStatus.FAILED, workspace="local")
    bench.add(Stage.cleanup, "deleted", workspace="local")
    # The workspace is not even asked.
    assert begun_endpoint(bench.context(Stage.deploy)) is None


def test_a_second_deployment_joins_the_latest_endpoint_whatever_model_is_named(
    bench: Bench,
) -> None:
    bench.add(Stage.register, "model:1")
    bench.add(Stage.deploy, "mine")
    bench.add(Stage.register, "model:2")
    deploy = RUNNERS[Stage.deploy]
    workspace = LocalWorkspace(bench.outputs)
    for overrides in ([], ["run=model:1"]):
        words = ["endpoint=blue_green", *overrides]
        context = bench.context(Stage.deploy, *words, opener=lambda: workspace)
        assert deploy.faults(context) == []
        assert deploy.name(context) == "mine"


def test_a_deployment_without_model_and_endpoint_has_two_faults(bench: Bench) -> None:
    faults = RUNNERS[Stage.deploy].faults(bench.context(Stage.deploy, "endpoint.reuse=true"))
    assert [fault.partition(":")[0] for fault in faults] == ["run", "endpoint.name"]
