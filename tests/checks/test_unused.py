"""Keys on the command line that a stage does not read."""

from dataclasses import fields
from pathlib import Path

import pytest

from mnist_exp import checks
from mnist_exp.checks.unused import _READ, is_unused
from mnist_exp.cli.given_keys import given_keys
from mnist_exp.config import ExperimentConfig
from tests.support.configs import config, fresh_config

_PLACED = "endpoint/environment@endpoint.deployment.environment"
_GENERAL = ["seed", "wait", "figure_format"]


def unused(*overrides: str) -> list[str]:
    return [
        line.partition(":")[0]
        for line in checks.warnings(fresh_config(*overrides))
        if "has no effect, because" in line
    ]


@pytest.mark.parametrize(
    ("overrides", "keys"),
    [
        (["stage=train", "sweep.limits.max_total_trials=3"], ["sweep.limits.max_total_trials"]),
        (["stage=register", "model.epochs=3"], ["model.epochs"]),
        (["stage=deploy", "registration.type=mlflow_model"], ["registration.type"]),
        (["stage=deploy", "registration.path=x"], ["registration.path"]),
        (["stage=deploy", "endpoint.log_lines=3"], ["endpoint.log_lines"]),
        (["stage=invoke", "endpoint.ttl=3", "data.path=x"], ["endpoint.ttl"]),
        (["stage=status", "endpoint.deployment.name=blue"], ["endpoint.deployment.name"]),
        (["stage=logs", "endpoint.samples=3"], ["endpoint.samples"]),
        (["stage=cleanup", "endpoint.traffic={blue: 100}"], ["endpoint.traffic.blue"]),
        (["stage=cleanup", "model={epochs: 3}"], ["model.epochs"]),
        (
            ["stage=deploy", "endpoint.name=one", "endpoint.name_prefix=two"],
            ["endpoint.name_prefix"],
        ),
        (["stage=deploy", "endpoint.name=one", "endpoint.reuse=true"], ["endpoint.reuse"]),
        (
            ["stage=invoke", "endpoint.request_file=x", "endpoint.samples=3"],
            ["endpoint.samples"],
        ),
        (["stage=compute", "runs.limit=3"], ["runs.limit"]),
        (["stage=doctor", "runs.limit=3"], ["runs.limit"]),
        (["stage=prune", "runs.status=Failed", "runs.limit=3"], ["runs.limit"]),
        # Only references read this group.
        (["stage=train", "model.epochs=3", "~job.inputs.epochs"], ["model.epochs"]),
        (["stage=train", "model.epochs=3"], []),
        (["stage=train", "max_concurrent_variants=2"], []),
        (["stage=deploy", "max_concurrent_variants=2"], ["max_concurrent_variants"]),
        # The search space replaces an input.
        (["stage=sweep", "model.learning_rate=0.3"], ["model.learning_rate"]),
        (["stage=sweep", "job.inputs.learning_rate=0.3"], ["job.inputs.learning_rate"]),
        (["stage=sweep", "model.epochs=3", "job.inputs.seed=3"], []),
        (["stage=deploy", "endpoint.token_lifetime=60"], ["endpoint.token_lifetime"]),
        (["stage=deploy", "endpoint.token_lifetime=60", "endpoint.auth_mode=aml_token"], []),
        (["stage=deploy", "endpoint.rollout.seconds=3"], ["endpoint.rollout.seconds"]),
        (["stage=deploy", "endpoint=blue_green", "endpoint.rollout.seconds=3"], []),
        # The proposed next commands repeat the keys that a later stage reads.
        (["stage=sweep", "registration.name=x", "endpoint.ttl=3"], []),
        (["stage=register", "data.path=x", "endpoint.name=one"], []),
        # Config groups and keys that belong to no group.
        (["stage=deploy", "env=conda"], ["env"]),
        (["stage=register", "sweep=grid"], ["sweep"]),
        (["stage=status", "endpoint/environment@endpoint.deployment.environment=azure"], [_PLACED]),
        (["stage=cleanup", "seed=9", "wait=false", "figure_format=svg"], _GENERAL),
        (
            ["stage=logs", "model=small", "data=mnist", "profile=azure", "workspace=azure"],
            ["model"],
        ),
        (["stage=deploy", "registration=mlflow_model", "data=mnist", "seed=3"], []),
        (["stage=compare", "figure_format=svg", "outputs_dir=x", "dry_run=true"], []),
        (["stage=logs", "endpoint.deployment.name=blue"], []),
        (["stage=invoke", "endpoint.deployment.scoring_script=null"], []),
        (["stage=cleanup", "endpoint.deployment.name=blue", "compute.name=x"], []),
        # Every stage opens the workspace.
        (["stage=status", "data.cache_dir=x", "workspace.resource_group=x"], []),
        # Another key refers to the key.
        (
            ["stage=train", "sweep.limits.timeout=60", "job.timeout=${sweep.limits.timeout}"],
            [],
        ),
        (
            ["stage=deploy", "model.epochs=3", "endpoint.description=${oc.select:model.epochs,1}"],
            [],
        ),
        (["stage=all", "endpoint.log_lines=3", "model.epochs=3"], []),
        (["stage=doctor", "endpoint.log_lines=3"], []),
    ],
)
def test_a_key_that_the_stage_does_not_read_is_named(overrides: list[str], keys: list[str]) -> None:
    assert unused(*overrides) == keys


def test_the_deployment_of_invoke_has_another_key() -> None:
    found = checks.faults(fresh_config("stage=invoke", "endpoint.deployment.name=blue"))
    assert found == [
        "endpoint.deployment.name: stage=invoke calls the deployment that the traffic chooses; "
        "to call blue, use endpoint.invoke_deployment=blue"
    ]

    both = ["endpoint.deployment.name=blue", "endpoint.invoke_deployment=blue"]
    assert checks.faults(fresh_config("stage=invoke", *both)) == []


def test_the_deployment_to_call_is_not_taken_for_the_deployment_to_delete() -> None:
    (found,) = checks.faults(fresh_config("stage=cleanup", "endpoint.invoke_deployment=blue"))
    assert "to delete one deployment, use endpoint.deployment.name=blue" in found


def test_two_names_of_a_model_must_agree() -> None:
    same = fresh_config("stage=deploy", "run=one:2", "registration.name=one")
    assert checks.faults(same) == []
    other = fresh_config("stage=deploy", "run=one:2", "registration.name=two")
    assert checks.faults(other) == [
        "registration.name: must be the model that run= names, got two and run=one:2; remove "
        "registration.name= or run="
    ]


def test_a_mapping_sets_the_keys_of_its_entries() -> None:
    words = ["a.b={c: {d: 1}, e: 2}", "+f=1", "~g.h", "i={}", "j=[1, 2]", "k/l@m.n=o"]
    assert list(given_keys(words)) == ["a.b.c.d", "a.b.e", "f", "g.h", "i", "j", "k/l@m.n"]


def test_a_config_group_sets_the_keys_of_its_files(tmp_path: Path) -> None:
    for name, text in {
        "registration/mine.yaml": "defaults: [tutorial, _self_]\nname: mine\n",
        "registration/again.yaml": "defaults: [mine, _self_]\npath: x\n",
        "profile/prod.yaml": (
            "# @package _global_\ndefaults: [override /registration: again]\n"
            "endpoint: {deployment: {name: prod}}\n"
        ),
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    found = config(
        *("stage=deploy", "run=other:1", "registration=again", "endpoint=tutorial"),
        config_dir=tmp_path,
    )
    assert found.chosen == {"registration": ("registration.path", "registration.name")}
    (fault,) = checks.faults(found)
    assert fault.endswith("got mine and run=other:1; remove registration= or run=")
    prod = config("stage=deploy", "profile=prod", config_dir=tmp_path)
    assert prod.setter("registration.name") == prod.setter("endpoint.deployment.name") == "profile"
    assert prod.setter("endpoint.name") is None


def test_a_group_has_an_effect_if_one_of_its_keys_has_an_effect(tmp_path: Path) -> None:
    for name, text in {
        "experiment/short.yaml": "# @package _global_\nmodel: {epochs: 1}\nsweep: {fail_fast: 1}\n",
        "experiment/served.yaml": "# @package _global_\nendpoint: {invoke_deployment: blue}\n",
        "experiment/empty.yaml": "# @package _global_\n",
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")

    def warnings(stage: str, option: str) -> list[str]:
        found = config(f"stage={stage}", f"+experiment={option}", config_dir=tmp_path)
        assert checks.faults(found) == []
        return [line for line in checks.warnings(found) if "has no effect" in line]

    assert warnings("train", "short") == warnings("train", "empty") == []
    assert warnings("deploy", "short") == [
        "experiment: has no effect, because stage=deploy does not read this key"
    ]
    # The group names a deployment to call, not a deployment to delete.
    assert len(warnings("cleanup", "served")) == 1


def test_some_stage_reads_each_key_of_the_config() -> None:
    unread = {
        name
        for name in (field.name for field in fields(ExperimentConfig))
        if all(is_unused(stage, name) for stage in _READ)
    }
    assert unread == set()
