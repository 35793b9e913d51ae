from dataclasses import replace

import pytest

from mnist_exp.azure_form.assets import cluster_form
from mnist_exp.azure_form.jobs import command_form
from mnist_exp.build import command_job
from mnist_exp.config import ComputeType
from mnist_exp.specs import CommandJob
from tests.support.configs import fresh_config


def job(compute_type: ComputeType, size: str = "Standard_DS3_v2") -> CommandJob:
    spec = command_job(fresh_config("stage=train"), "job")
    return replace(spec, compute=replace(spec.compute, type=compute_type, name="c", size=size))


@pytest.mark.parametrize(
    ("compute_type", "target", "resources"),
    [
        (ComputeType.local, "local", None),
        (ComputeType.amlcompute, "azureml:c", None),
        (ComputeType.serverless, None, {"instance_type": "Standard_DS3_v2", "instance_count": 1}),
    ],
)
def test_each_compute_type_has_a_target_and_resources(
    compute_type: ComputeType, target: str | None, resources: object
) -> None:
    form = command_form(job(compute_type), str)
    assert (form.get("compute"), form.get("resources")) == (target, resources)


def test_an_unknown_compute_type_is_not_taken_for_serverless() -> None:
    with pytest.raises(AssertionError, match="new"):
        command_form(job("new"), str)  # type: ignore[arg-type]


def test_an_empty_size_is_no_size() -> None:
    cluster = fresh_config("stage=compute", "compute=gpu_cluster").compute
    assert "size" in cluster_form(cluster)
    assert cluster_form(replace(cluster, size="")) == cluster_form(replace(cluster, size=None))
