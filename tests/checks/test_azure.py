"""What changes nothing on Azure, or something else, is told in one line each."""

import pytest

from mnist_exp import checks
from tests.support.configs import fresh_config

#: What is set -> the stage, and how the line about it begins.
TOLD = {
    "endpoint.ttl=60": ("deploy", "endpoint.ttl: no endpoint on Azure deletes itself"),
    "endpoint.port=5001": ("deploy", "endpoint.port: changes nothing on Azure"),
    "endpoint.auth_mode=aml_token endpoint.token_lifetime=60": (
        "deploy",
        "endpoint.token_lifetime: changes nothing",
    ),
    "sweep.fail_fast=true": ("sweep", "sweep.fail_fast: Azure ML has no such thing"),
    "sweep.fail_on_failed_trials=true": ("sweep", "sweep.fail_on_failed_trials: changes nothing"),
    "sweep.limits.timeout=59": (
        "sweep",
        "sweep.limits.timeout: Azure's shortest is 60 seconds, which is sent instead of 59",
    ),
    "sweep.limits.trial_timeout=1": ("sweep", "sweep.limits.trial_timeout: Azure's shortest is"),
    "compute=low_priority compute.evict_after_epochs=2": (
        "train",
        "compute.evict_after_epochs: is a drill",
    ),
    "compute=serverless compute.tier=low_priority": ("train", "compute.tier: low_priority is not"),
    "data.url=https://example.com/": ("train", "data.url: changes nothing on Azure"),
    "data=folder data.path=/digits +data.azure_path=wasbs://a@b/": (
        "train",
        "data.path: changes nothing on Azure, where jobs mount data.azure_path (wasbs://a@b/)",
    ),
    "'+job.inputs.note=two words'": ("train", "job.inputs.note: Azure puts 'two words' into"),
}


@pytest.mark.parametrize("setting", TOLD)
def test_what_azure_does_not_do_is_told_there_alone(setting: str) -> None:
    stage, begins = TOLD[setting]
    words = ["+job.inputs.note=two words"] if "note" in setting else setting.split()
    (line,) = checks.warnings(fresh_config(f"stage={stage}", "profile=azure", *words))
    assert line.startswith(begins)
    assert "\n" not in line
    others = checks.warnings(
        fresh_config(f"stage={stage}", "profile=azure", "workspace=local", *words)
    )
    assert not any(other.startswith(begins) for other in others)
    assert checks.warnings(fresh_config("stage=compute", "profile=azure", *words)) == []


@pytest.mark.parametrize("stage", ["all", "deploy", "cleanup"])
def test_the_tutorial_itself_has_nothing_to_be_warned_of(stage: str) -> None:
    assert checks.warnings(fresh_config(f"stage={stage}", "profile=azure")) == []


def test_limits_of_a_minute_and_more_are_sent_as_they_are() -> None:
    limits = ["sweep.limits.timeout=60", "sweep.limits.trial_timeout=61"]
    assert checks.warnings(fresh_config("stage=all", "profile=azure", *limits)) == []
