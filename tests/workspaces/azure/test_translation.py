"""Both translations of a spec describe the same entity, over all of conf/ and the examples."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from azure.ai.ml import (
    load_compute,
    load_job,
    load_model,
    load_online_deployment,
    load_online_endpoint,
)

from mnist_exp import build
from mnist_exp.azure_form.yaml_documents import (
    cluster_yaml,
    command_yaml,
    deployment_yaml,
    endpoint_yaml,
    model_yaml,
    sweep_yaml,
)
from mnist_exp.config import AuthMode
from mnist_exp.experiment import Experiment
from mnist_exp.specs import EndpointSpec, ModelSpec
from mnist_exp.workspaces.azure.translation import (
    cluster_entity,
    deployment_entity,
    endpoint_entity,
    job_entity,
    model_entity,
)
from tests.support.azure_commands import MNIST
from tests.support.configs import CONF, config, fresh_config
from tests.support.paths import REPOSITORY

EXAMPLES = REPOSITORY / "examples"

#: Returns the address of every input.
Locate = Callable[[object], str]


def options(folder: Path, group: str) -> list[str]:
    """Return an override for each file of a config group, except those for this machine."""
    names = sorted(path.stem for path in (folder / group).glob("*.yaml"))
    return [f"{group}={name}" for name in names if name != "local"]


TRAIN = [option for group in ("compute", "data", "env", "job", "model")
         for option in options(CONF, group)]  # fmt: skip
SWEEPS = options(CONF, "sweep")


def example_jobs() -> Iterator[Any]:
    for folder in sorted(path.parent for path in EXAMPLES.glob("*/job")):
        for group in ("job", "sweep"):
            for option in options(folder, group):
                # An example has a job and a sweep of its own name.
                job = f"job={folder.name}"
                overrides = [job] if group == "job" else [job, option]
                yield pytest.param(group == "sweep", overrides, folder, id=f"{folder.name}-{group}")


@pytest.mark.parametrize("option", TRAIN)
def test_a_job_of_each_option_is_the_same(option: str, tmp_path: Path) -> None:
    assert_same_job(
        fresh_config("stage=all", "profile=azure", option), is_sweep=False, folder=tmp_path
    )


def test_a_description_and_tags_are_the_same(tmp_path: Path) -> None:
    texts = ("job.description=Text", "+job.tags.a=b")
    for is_sweep in (False, True):
        experiment = config("stage=all", "profile=azure", *texts)
        assert_same_job(experiment, is_sweep=is_sweep, folder=tmp_path)


@pytest.mark.parametrize("option", [*SWEEPS, *options(CONF, "compute")])
def test_a_sweep_of_each_option_is_the_same(option: str, tmp_path: Path) -> None:
    assert_same_job(
        fresh_config("stage=all", "profile=azure", option), is_sweep=True, folder=tmp_path
    )


@pytest.mark.parametrize(("is_sweep", "overrides", "example"), list(example_jobs()))
def test_a_job_of_each_example_is_the_same(
    is_sweep: bool, overrides: list[str], example: Path, tmp_path: Path
) -> None:
    experiment = config("stage=all", "profile=azure", *overrides, config_dir=example)
    assert_same_job(experiment, is_sweep=is_sweep, folder=tmp_path)


@pytest.mark.parametrize("option", options(CONF, "endpoint"))
def test_a_deployment_of_each_option_is_the_same(option: str, tmp_path: Path) -> None:
    spec = build.deployment_spec(
        fresh_config("stage=all", "profile=azure", option), "endpoint-1", "m:1"
    )
    changed = replace(spec.liveness_probe, period=3)
    for one in (spec, replace(spec, liveness_probe=changed, instance_count=3)):
        loaded = load(load_online_deployment, deployment_yaml(one), tmp_path)
        assert content(loaded) == content(deployment_entity(one))


@pytest.mark.parametrize("option", options(CONF, "endpoint"))
def test_an_endpoint_of_each_option_is_the_same(option: str, tmp_path: Path) -> None:
    spec = build.endpoint_spec(fresh_config("stage=all", "profile=azure", option), "endpoint-1")
    traffic = replace(spec, traffic={"a": 100}, mirror_traffic={"b": 10})
    token = EndpointSpec("endpoint-1", AuthMode.aml_token)
    for one in (spec, traffic, token):
        loaded = load(load_online_endpoint, endpoint_yaml(one), tmp_path)
        assert content(loaded) == content(endpoint_entity(one))


@pytest.mark.parametrize("option", ["compute=gpu_cluster", "compute=low_priority"])
def test_a_cluster_is_the_same(option: str, tmp_path: Path) -> None:
    spec = fresh_config("stage=all", "profile=azure", option).compute
    loaded = load(load_compute, cluster_yaml(spec), tmp_path)
    assert content(loaded) == content(cluster_entity(spec))


def test_a_model_is_the_same_but_for_version_and_tags(tmp_path: Path) -> None:
    spec = ModelSpec("m", "job", "outputs/model", description="d")
    entity = content(model_entity(spec, "7"))
    assert entity.pop("version") == "7"
    assert entity.pop("tags") == {"mnist_exp.job": "job", "mnist_exp.path": "outputs/model"}
    assert content(load(load_model, model_yaml(spec), tmp_path)) == entity


def assert_same_job(experiment: Experiment, *, is_sweep: bool, folder: Path) -> None:
    """Compare what the SDK reads in the YAML with the entity."""
    locate: Locate = lambda _: MNIST  # noqa: E731
    if is_sweep:
        sweep = build.sweep_job(experiment, "sweep_1")
        document, entity = sweep_yaml(sweep, locate), job_entity(sweep, locate)
    else:
        job = build.command_job(experiment, "train_1")
        document, entity = command_yaml(job, locate), job_entity(job, locate)
    loaded = content(load(load_job, document, folder))
    # A YAML document names the default modes of inputs and outputs, for its reader.
    for part, usual in (("inputs", "ro_mount"), ("outputs", "rw_mount")):
        for value in loaded.get(part, {}).values():
            if isinstance(value, dict) and value.get("mode") == usual:
                del value["mode"]
    assert loaded == content(entity)


def load(loader: Callable[[Path], Any], document: dict[str, Any], folder: Path) -> Any:
    """Return what the SDK reads in a YAML document."""
    path = folder / "document.yaml"
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    return loader(path)


def content(entity: Any) -> dict[str, Any]:
    """Return an entity's fields, without those that are empty."""
    # The SDK holds a command as a step of a pipeline until it becomes a job.
    entity = entity._to_job() if hasattr(entity, "_to_job") else entity
    found = json.loads(json.dumps(entity._to_dict(), default=str))
    return {name: value for name, value in found.items() if value not in (None, {}, [], "")}
