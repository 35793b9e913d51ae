"""stage=cleanup and stage=logs of one deployment, with real processes behind the endpoint."""

from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from mnist_exp.config import Stage
from mnist_exp.errors import NotFoundError, RefusedError
from mnist_exp.stages.all import AllStages
from mnist_exp.stages.earlier_records import deployed_endpoint, named_deployment
from mnist_exp.traffic import deletion_fault
from tests.stages.deploying import NAME, Deploying, deploying
from tests.support.recorded_outputs import RecordedOutputs

GREEN = "endpoint.deployment.name=tff-green"
BLUE = "endpoint.deployment.name=tff-blue"


@pytest.fixture
def two(tmp_path: Path) -> Iterator[Deploying]:
    """Yield an endpoint with tff-blue, which has all traffic, and tff-green, which has none."""
    for made in deploying(tmp_path):
        made.run()
        made.run(GREEN)
        yield made


def names(made: Deploying) -> list[str]:
    return [deployment.name for deployment in made.now.deployments]


@pytest.mark.external
def test_a_named_deployment_is_deleted_and_the_endpoint_only_by_its_own_name(
    two: Deploying,
) -> None:
    two.run(GREEN, stage=Stage.logs)
    assert [line.partition(":")[0] for line in two.said if not line.startswith(" ")] == [
        "tff-green"
    ]
    assert two.faults(BLUE, stage=Stage.cleanup) == [
        "endpoint.deployment.name: must name a deployment without traffic, got tff-blue with 100 % "
        f"of the traffic of {NAME}; first run mnist-exp stage=deploy endpoint.name={NAME} "
        "'endpoint.traffic={tff-blue: 0, tff-green: 100}', or delete the whole endpoint with "
        f"mnist-exp stage=cleanup endpoint.name={NAME}"
    ]
    # The traffic may have changed since the checks.
    with pytest.raises(RefusedError, match="must name a deployment without traffic, got tff-blue"):
        two.run_unchecked(BLUE, stage=Stage.cleanup)
    (worker,) = two.processes("tff-green")
    blue = two.processes("tff-blue")

    record = two.run(GREEN, stage=Stage.cleanup)

    assert record.name == f"{NAME}/tff-green"
    assert two.said == [f"deleted deployment tff-green; endpoint {NAME} still exists"]
    assert names(two) == ["tff-blue"]
    assert not psutil.pid_exists(worker)
    assert two.processes("tff-blue") == blue
    assert two.run(stage=Stage.invoke).predictions == {
        "request_file": str(two.folder / "request.json"),
        "answer": {"digits": [7]},
    }
    # The deletion of a deployment is not the deletion of the endpoint.
    assert deployed_endpoint(two.outputs.context(Stage.invoke)) == NAME
    for stage in (Stage.cleanup, Stage.logs):
        assert two.faults(GREEN, stage=stage) == [
            f"endpoint.deployment.name: must name a deployment of endpoint {NAME}, got tff-green; "
            "there are: tff-blue"
        ]

    two.update(traffic={"tff-blue": 0})
    two.run(BLUE, stage=Stage.cleanup)
    assert names(two) == []
    two.run(stage=Stage.cleanup)
    with pytest.raises(NotFoundError):
        assert two.now


@pytest.mark.external
def test_a_killed_deletion_of_a_deployment_can_be_repeated(tmp_path: Path) -> None:
    for made in deploying(tmp_path):
        made.update()
        left = made.outputs.path / "endpoints" / NAME / "deployments" / "tff-green"
        (left / "revisions" / "1").mkdir(parents=True)
        made.run(GREEN, stage=Stage.cleanup)
        assert not left.exists()


def test_a_deployment_with_mirrored_traffic_is_not_deleted() -> None:
    fault = deletion_fault("one", "green", {"blue": 100}, {"green": 10}, ["blue", "green"])
    assert fault is not None
    assert "got green with 10 % mirrored traffic of one; first run" in fault
    assert " endpoint.name=one 'endpoint.mirror_traffic={green: 0}', or" in fault
    alone = deletion_fault("one", "blue", {"blue": 100}, {}, ["blue"])
    assert alone is not None
    assert "of the traffic of one; delete the whole endpoint with" in alone
    assert deletion_fault("one", "green", {"blue": 100}, {"green": 0}, ["blue", "green"]) is None


def test_stage_all_deletes_its_endpoint_although_a_deployment_is_named(
    outputs: RecordedOutputs,
) -> None:
    context = outputs.context(Stage.all, GREEN)
    parts = AllStages(context)._parts
    assert named_deployment(parts[Stage.cleanup].context) is None


@pytest.mark.parametrize(
    ("overrides", "deployment"),
    [
        (["endpoint=blue_green"], "tff-green"),
        (["endpoint=blue_green", "endpoint.deployment.name=blue"], "blue"),
        (["endpoint={name: one, deployment: {name: blue}}"], "blue"),
        # The endpoint's own name is on the command line.
        (["endpoint=blue_green", "endpoint.name=one"], None),
        # The default option names what every command has.
        (["endpoint=tutorial"], None),
        (["endpoint=mlflow"], None),
        ([], None),
    ],
)
def test_a_config_group_may_name_the_deployment_to_delete(
    outputs: RecordedOutputs, overrides: list[str], deployment: str | None
) -> None:
    assert named_deployment(outputs.context(Stage.cleanup, *overrides)) == deployment
