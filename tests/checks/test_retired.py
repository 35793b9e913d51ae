import pytest

from mnist_exp.checks.retired import environment_warning, size_warning


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
