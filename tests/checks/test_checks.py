"""Faults and warnings of the whole config."""

import pytest

from mnist_exp import checks
from mnist_exp.config import EnvType, Stage
from tests.checks.rules import Change, setting
from tests.support.configs import fresh_config


def test_all_faults_are_reported_at_once() -> None:
    config = fresh_config("stage=all")
    setting(
        seed=-1,
        model__epochs=0,
        sweep__limits__max_total_trials=0,
        registration__name="",
        endpoint__samples=0,
        endpoint__deployment__instance_count=0,
    )(config)
    keys = [line.partition(":")[0] for line in checks.faults(config)]
    assert keys == [
        "seed",
        "model.epochs",
        "sweep.limits.max_total_trials",
        "registration.name",
        "endpoint.samples",
        "endpoint.deployment.instance_count",
    ]


@pytest.mark.parametrize(
    ("stage", "change"),
    [
        ("compute", setting(model__epochs=0)),
        ("train", setting(sweep__search_space={})),
        ("train", setting(endpoint__samples=0)),
        ("register", setting(job__code="/nowhere")),
        ("invoke", setting(endpoint__deployment__code="/nowhere")),
        ("cleanup", setting(registration__name="")),
    ],
)
def test_a_stage_checks_only_what_it_uses(stage: str, change: Change) -> None:
    config = fresh_config(f"stage={stage}")
    change(config)
    assert checks.faults(config) == []


def test_a_retired_name_is_a_warning_with_its_key() -> None:
    config = fresh_config("stage=compute")
    assert checks.warnings(config) == []
    setting(
        compute__size="STANDARD_NC6",
        env__type=EnvType.curated,
        env__name="AzureML-tensorflow-2.7@latest",
        endpoint__deployment__environment__name="AzureML-tensorflow-2.4@latest",
    )(config)
    size, env, endpoint = checks.warnings(config)
    assert size.startswith("compute.size: STANDARD_NC6 was retired on 2023-08-31")
    assert env.startswith("env.name: the curated environment AzureML-tensorflow-2.7@latest")
    assert endpoint.startswith("endpoint.deployment.environment.name: the curated environment")
    assert checks.faults(config) == []


def test_a_sweep_has_warnings_only_in_stages_that_sweep() -> None:
    space = {"learning_rate": {"type": "loguniform", "min_value": 0.001, "max_value": 0.1}}
    config = fresh_config("stage=sweep")
    config.sweep.search_space = space
    assert any("are logarithms" in line for line in checks.warnings(config))
    config.stage = Stage.train
    assert checks.warnings(config) == []


def test_distribution_and_eviction_have_warnings() -> None:
    config = fresh_config("stage=train", "+job.distribution.type=tensorflow")
    assert any("listens on every address" in line for line in checks.warnings(config))
    config = fresh_config("stage=sweep", "compute=low_priority", "compute.evict_after_epochs=2")
    assert any("has no effect on the trials of a sweep" in line for line in checks.warnings(config))
