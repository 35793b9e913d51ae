"""One warning for each key without effect on Azure and each retired name."""

import pytest

from mnist_exp import checks
from mnist_exp.checks.azure import environment_warning, size_warning
from tests.support.configs import fresh_config

#: Override -> the stage, and the beginning of the warning.
WARNINGS = {
    "endpoint.ttl=60": ("deploy", "endpoint.ttl: has no effect on Azure"),
    "endpoint.port=5001": ("deploy", "endpoint.port: has no effect on Azure"),
    "endpoint.auth_mode=aml_token endpoint.token_lifetime=60": (
        "deploy",
        "endpoint.token_lifetime: has no effect on Azure",
    ),
    "sweep.fail_fast=true": ("sweep", "sweep.fail_fast: has no effect on Azure"),
    "sweep.fail_on_failed_trials=true": ("sweep", "sweep.fail_on_failed_trials: has no effect"),
    "sweep.limits.timeout=59": (
        "sweep",
        "sweep.limits.timeout: Azure's minimum is 60 seconds, so Azure will use 60 instead of 59",
    ),
    "sweep.limits.trial_timeout=1": ("sweep", "sweep.limits.trial_timeout: Azure's minimum is"),
    "compute=low_priority compute.evict_after_epochs=2": (
        "train",
        "compute.evict_after_epochs: has no effect on Azure",
    ),
    "compute=serverless compute.tier=low_priority": (
        "train",
        "compute.tier: low_priority has no effect",
    ),
    "data.url=https://example.com/": ("train", "data.url: has no effect on Azure"),
    "data=folder data.path=/digits +data.azure_path=wasbs://a@b/": (
        "train",
        "data.path: has no effect on Azure, where jobs mount data.azure_path (wasbs://a@b/)",
    ),
    "'+job.inputs.note=two words'": ("train", "job.inputs.note: Azure inserts 'two words' into"),
}


@pytest.mark.parametrize("setting", WARNINGS)
def test_a_key_without_effect_on_azure_is_a_warning_there_only(setting: str) -> None:
    stage, begins = WARNINGS[setting]
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
def test_the_tutorial_has_no_warnings(stage: str) -> None:
    assert checks.warnings(fresh_config(f"stage={stage}", "profile=azure")) == []


def test_limits_of_a_minute_and_more_have_no_warning() -> None:
    limits = ["sweep.limits.timeout=60", "sweep.limits.trial_timeout=61"]
    assert checks.warnings(fresh_config("stage=all", "profile=azure", *limits)) == []


@pytest.mark.parametrize(
    ("size", "date", "successor"),
    [
        ("STANDARD_NC6", "2023-08-31", "STANDARD_NC4AS_T4_V3"),
        ("Standard_NC24r", "2023-08-31", "STANDARD_NC4AS_T4_V3"),
        ("Standard_NC6_Promo", "2023-08-31", "STANDARD_NC4AS_T4_V3"),
        ("standard_nc12s_v2", "2023-08-31", "STANDARD_NC4AS_T4_V3"),
        ("Standard_NC6s_v3", "2025-09-30", "STANDARD_NC24ADS_A100_V4"),
        ("Standard_ND24rs", "2023-08-31", "STANDARD_NC24ADS_A100_V4"),
        ("Standard_NV12", "2023-08-31", "STANDARD_NV6ADS_A10_V5"),
    ],
)
def test_retired_sizes_have_a_date_and_a_successor(size: str, date: str, successor: str) -> None:
    warning = size_warning(size) or ""
    assert warning.startswith(f"compute.size: {size} was retired on {date}")
    assert f"compute.size={successor}" in warning
    assert size_warning(successor) is None


@pytest.mark.parametrize(
    "size",
    ["", "STANDARD_DS3_V2", "STANDARD_NC4AS_T4_V3", "Standard_NC24ads_A100_v4", "Standard_NC60"],
)
def test_sizes_of_today_have_no_warning(size: str) -> None:
    assert size_warning(size) is None


@pytest.mark.parametrize(
    "name",
    [
        "AzureML-tensorflow-2.7-ubuntu20.04-py38-cuda11-gpu@latest",
        "AzureML-tensorflow-2.12-cuda11@latest",
        "azureml://registries/azureml/environments/tensorflow-2.4-ubuntu18.04/labels/latest",
    ],
)
def test_removed_environments_have_a_successor(name: str) -> None:
    warning = environment_warning(name) or ""
    assert name in warning
    assert "env.name=AzureML-tensorflow-2.16-cuda12@latest" in warning


@pytest.mark.parametrize(
    "name",
    ["", "AzureML-tensorflow-2.16-cuda12@latest", "AzureML-tensorflow-2.20@latest", "mine:1"],
)
def test_other_environments_have_no_warning(name: str) -> None:
    assert environment_warning(name) is None
