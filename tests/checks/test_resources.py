"""Rules of the compute, env and data groups."""

from pathlib import Path

import pytest

from mnist_exp import checks
from mnist_exp.config import ComputeTier, ComputeType, EnvType, Stage, WorkspaceType
from tests.checks.rules import Change, Rule, assert_is_one_line, setting
from tests.support.configs import fresh_config

RULES: dict[str, Rule] = {
    "compute name": (
        "compute",
        setting(compute__type=ComputeType.amlcompute, compute__name="x"),
        "compute.name: must be 3 to 24 letters",
    ),
    "min_instances": (
        "compute",
        setting(compute__min_instances=-1),
        "compute.min_instances: must be 0 or more, got -1",
    ),
    "max_instances": (
        "compute",
        setting(compute__max_instances=0),
        "compute.max_instances: must be at least 1",
    ),
    "max below min": (
        "compute",
        setting(compute__min_instances=3, compute__max_instances=2),
        "at least compute.min_instances (3), got 2",
    ),
    "idle time": (
        "compute",
        setting(compute__idle_time_before_scale_down=-1),
        "compute.idle_time_before_scale_down: must be 0 seconds or more",
    ),
    "eviction of none": (
        "compute",
        setting(compute__tier=ComputeTier.low_priority, compute__evict_after_epochs=0),
        "compute.evict_after_epochs: must be at least 1",
    ),
    "eviction of a dedicated node": (
        "compute",
        setting(compute__evict_after_epochs=1),
        "only low-priority nodes are evicted",
    ),
    "curated without name": (
        "compute",
        setting(env__type=EnvType.curated, env__name=None),
        "env.name: a curated environment needs a name",
    ),
    "conda without image": (
        "compute",
        setting(env__type=EnvType.conda, env__image=None),
        "env.image: a conda environment needs a Docker image",
    ),
    "conda file": (
        "compute",
        setting(env__type=EnvType.conda, env__image="i", env__conda_file="/nowhere.yaml"),
        "env.conda_file: must be a file, got /nowhere.yaml",
    ),
    "not a conda file": (
        "compute",
        setting(env__type=EnvType.conda, env__image="i", env__conda_file=__file__),
        "env.conda_file: must ",
    ),
    "image alone": (
        "deploy",
        setting(
            endpoint__deployment__environment__type=EnvType.conda,
            endpoint__deployment__environment__image="i",
        ),
        "endpoint.deployment.environment.conda_file: must be given on this machine",
    ),
    "unknown curated environment": (
        "train",
        setting(env__type=EnvType.curated, env__name="AzureML-nothing@latest"),
        "env.name: must be a curated environment that this machine knows (AzureML-tensorflow",
    ),
    "name of this machine": ("compute", setting(compute__name="x"), "compute.name: must be 3 to"),
}


@pytest.mark.parametrize(("stage", "change", "expected"), RULES.values(), ids=RULES.keys())
def test_a_broken_rule_is_one_line(stage: str, change: Change, expected: str) -> None:
    assert_is_one_line(stage, change, expected)


def test_variables_of_a_conda_file_are_a_fault_on_this_machine(tmp_path: Path) -> None:
    file = tmp_path / "conda.yaml"
    file.write_text("dependencies: [numpy]\nvariables: {B: 1, A: x}\n", encoding="utf-8")
    config = fresh_config("stage=train")
    setting(env__type=EnvType.conda, env__image="i", env__conda_file=str(file))(config)
    (fault,) = checks.faults(config)
    assert fault.startswith("env.conda_file: must not have the key variables on this machine, got ")
    assert "got A, B; use environment_variables" in fault
    config.workspace.type = WorkspaceType.azure
    assert fault not in checks.faults(config)


def test_all_packages_that_need_conda_are_one_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "conda.yaml"
    file.write_text("dependencies: [python=3.11, ffmpeg=6, numpy, cpuonly, gcc]", encoding="utf-8")
    monkeypatch.setenv("PATH", str(tmp_path))
    config = fresh_config("stage=train")
    setting(env__type=EnvType.conda, env__image="i", env__conda_file=str(file))(config)
    assert checks.faults(config) == [
        "env.conda_file: must name packages of PyPI, because conda is not on PATH, got ffmpeg=6, "
        f"gcc in {file}; install conda, remove these packages, or write the names of their Python "
        "packages in the pip part"
    ]
    (tmp_path / "micromamba").touch(mode=0o755)
    assert checks.faults(config) == []


def test_a_data_folder_that_does_not_exist_is_a_fault() -> None:
    config = fresh_config("stage=train", "data=folder", "data.path=/nowhere")
    assert checks.faults(config) == [
        "data.path: must be a folder with the four IDX files, got /nowhere, which does not exist; "
        "set data.path to an existing folder, or use data=sample"
    ]


def test_a_data_folder_must_be_given() -> None:
    (fault,) = checks.faults(fresh_config("stage=train", "data=folder"))
    assert "got null; set data.path" in fault


def test_an_image_without_packages_is_a_warning_for_a_job() -> None:
    config = fresh_config("stage=train", "env=conda", "env.conda_file=null")
    assert checks.faults(config) == []
    (line,) = checks.warnings(config)
    assert line.startswith("env.image: has no effect on this machine")


def test_a_data_key_without_effect_is_a_warning() -> None:
    config = fresh_config("stage=train", "data.path=/digits", "data.url=https://example.com")
    path, url = checks.warnings(config)
    assert path == "data.path: has no effect with data=sample; only data=folder uses this key"
    assert url.startswith("data.url: has no effect with data=sample; only data=mnist")
    config.stage = Stage.deploy
    assert checks.warnings(config) == []


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (setting(env__conda_file="x.yaml"), "env.conda_file: has no effect with env.type=local"),
        (setting(env__name="AzureML-sklearn-1.5"), "only env.type=curated uses this key"),
        (
            setting(endpoint__deployment__environment__image="i"),
            "endpoint.deployment.environment.image: has no effect",
        ),
    ],
)
def test_a_key_that_the_local_environment_ignores_is_a_warning(
    change: Change, expected: str
) -> None:
    config = fresh_config("stage=all")
    assert checks.warnings(config) == []
    change(config)
    (line,) = checks.warnings(config)
    assert expected in line
    assert checks.faults(config) == []
