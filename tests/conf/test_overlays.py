"""A user's own config files in `--config-dir`, and their relative paths."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from mnist_exp import checks
from mnist_exp.config import EnvType
from tests.support.configs import config
from tests.support.files import write_file
from tests.support.paths import CONF, REPOSITORY

Write = Callable[[str, str], Path]

JOB = """\
experiment_name: mine
code: {code}
script: fit.py
inputs: {{lr: 0.5}}
primary_metric: score
"""


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty config folder; the current folder is another one."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    folder = tmp_path / "my conf"
    folder.mkdir()
    return folder


@pytest.fixture
def write(mine: Path) -> Write:
    def write_one(name: str, text: str) -> Path:
        return write_file(mine / name, text)

    return write_one


def code_of(*overrides: str, config_dir: Path | None = None) -> str | None:
    return config("stage=train", *overrides, config_dir=config_dir).job.code


def test_our_paths_are_relative_to_our_files(mine: Path) -> None:
    composed = config("stage=all", "env=conda")
    assert composed.job.code == str(REPOSITORY / "trainer")
    assert composed.env.conda_file == str(REPOSITORY / "trainer" / "conda.yaml")
    assert composed.endpoint.deployment.code == str(REPOSITORY / "trainer")


def test_a_users_job_is_one_file_whose_paths_are_relative_to_it(mine: Path, write: Write) -> None:
    write("../code/fit.py", "")
    write("job/mine.yaml", JOB.format(code="../../code"))
    composed = config("stage=train", "job=mine", config_dir=mine)
    assert composed.job.code == str(mine.parent / "code")
    assert composed.job.inputs == {"lr": 0.5}
    assert checks.faults(composed) == []


def test_a_path_from_the_command_line_is_relative_to_the_current_folder(
    mine: Path, write: Write
) -> None:
    write("job/mine.yaml", JOB.format(code="../code"))
    assert code_of("job=mine", "job.code=src", config_dir=mine) == str(Path.cwd() / "src")
    # Though it is spelt as in the file.
    assert code_of("job=mine", "job.code=../code", config_dir=mine) == str(mine.parent / "code")
    data = config("stage=train", "data=folder", "data.path=../digits").data
    assert data.path == str(mine.parent / "digits")


def test_a_mapping_from_the_command_line_is_relative_to_the_current_folder(mine: Path) -> None:
    composed = config("stage=train", "+job.inputs.table={type: uri_file, path: t.csv}")
    assert composed.job.inputs["table"]["path"] == str(Path.cwd() / "t.csv")
    composed = config("stage=train", "job.inputs.data_folder.path=digits")
    assert composed.job.inputs["data_folder"]["path"] == str(Path.cwd() / "digits")


def test_a_file_keeps_the_paths_of_the_file_it_builds_on(mine: Path, write: Write) -> None:
    write("job/base.yaml", JOB.format(code="../base_code"))
    write("job/mine.yaml", "defaults: [base, _self_]\nexperiment_name: changed\n")
    assert code_of("job=mine", config_dir=mine) == str(mine / "base_code")
    write("job/third.yaml", "defaults: [mine, _self_]\ncode: ../third_code\n")
    assert code_of("job=third", config_dir=mine) == str(mine / "third_code")


def test_a_users_file_may_build_on_ours(mine: Path, write: Write) -> None:
    write("job/mine.yaml", "defaults: [tutorial, _self_]\nscript: other.py\n")
    write("endpoint/mine.yaml", "defaults: [tutorial, _self_]\ndeployment: {code: ../serve}\n")
    composed = config("stage=all", "job=mine", "endpoint=mine", config_dir=mine)
    assert composed.job.code == str(REPOSITORY / "trainer")
    assert composed.job.script == "other.py"
    assert composed.endpoint.deployment.code == str(mine / "serve")
    assert composed.endpoint.deployment.environment.type is EnvType.local


def test_the_environment_of_a_deployment_follows_the_workspace(mine: Path, write: Write) -> None:
    ours, theirs = REPOSITORY / "trainer" / "conda-score.yaml", mine / "conda.yaml"
    chosen = "endpoint/environment@endpoint.deployment.environment=azure"
    for override in ("workspace=azure", "profile=azure", chosen):
        environment = config("stage=all", override).endpoint.deployment.environment
        assert (environment.type, environment.conda_file) == (EnvType.conda, str(ours))
    write(
        "endpoint/mine.yaml",
        "defaults: [tutorial, _self_]\n"
        "deployment: {environment: {type: conda, image: i, conda_file: ../conda.yaml}}\n",
    )
    environment = config(
        "stage=all", "endpoint=mine", config_dir=mine
    ).endpoint.deployment.environment
    assert (environment.type, environment.conda_file) == (EnvType.conda, str(theirs))


def test_a_base_may_be_named_from_the_root(mine: Path, write: Write) -> None:
    write("job/base.yaml", JOB.format(code="../base_code"))
    write("job/mine.yaml", "defaults: [/job/base@_here_, _self_]\nexperiment_name: changed\n")
    composed = config("stage=train", "job=mine", config_dir=mine)
    assert composed.job.experiment_name == "changed"
    assert composed.job.code == str(mine / "base_code")


def test_an_overlay_of_several_groups_has_its_own_folder(mine: Path, write: Write) -> None:
    write(
        "profile/mine.yaml",
        "# @package _global_\n"
        "defaults:\n  - override /env: conda\n  - override /data: folder\n"
        "data: {path: ../digits}\nenv: {conda_file: ../my.yaml}\njob: {code: ../src}\n",
    )
    composed = config("stage=train", "profile=mine", config_dir=mine)
    assert composed.data.path == str(mine / "digits")
    assert composed.env.conda_file == str(mine / "my.yaml")
    assert composed.job.code == str(mine / "src")


def test_the_command_line_is_stronger_than_an_overlay(mine: Path, write: Write) -> None:
    write("profile/mine.yaml", "# @package _global_\njob: {code: ../src}\n")
    assert code_of("profile=mine", "job.code=x", config_dir=mine) == str(Path.cwd() / "x")


def test_a_users_file_replaces_ours_of_the_same_name(mine: Path, write: Write) -> None:
    # Hydra looks in our folder first: --config-dir adds options, it does not replace ours.
    write("job/tutorial.yaml", JOB.format(code="../code"))
    composed = config("stage=train", config_dir=mine)
    assert composed.job.experiment_name == "tf-dnn-image-classify"
    assert composed.job.code == str(CONF.parent / "trainer")


def test_inputs_of_a_users_job(mine: Path, write: Write) -> None:
    text = JOB.format(code="../code").replace(
        "{lr: 0.5}",
        "\n  table: {type: uri_file, path: ../t.csv}"
        '\n  digits: {path: "{{data}}"}'
        "\n  asset: {path: azureml:digits:1}"
        "\n  address: {path: https://example.com/x}"
        "\n  far: {path: /data/x}"
        "\n  file: {path: file:///data/y}",
    )
    write("job/mine.yaml", text)
    inputs = config("stage=train", "job=mine", config_dir=mine).job.inputs
    assert {name: value["path"] for name, value in inputs.items()} == {
        "table": str(mine / "t.csv"),
        "digits": "{{data}}",
        "asset": "azureml:digits:1",
        "address": "https://example.com/x",
        "far": "/data/x",
        "file": "file:///data/y",
    }


def test_absolute_paths_and_paths_in_the_home_folder(
    mine: Path, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    write("job/mine.yaml", JOB.format(code="/far/code"))
    assert code_of("job=mine", config_dir=mine) == "/far/code"
    assert code_of("job.code=/far/code") == "/far/code"
    write("job/home.yaml", JOB.format(code="~/code"))
    assert code_of("job=home", config_dir=mine) == "/home/me/code"


def test_a_path_may_refer_to_another(mine: Path, write: Write) -> None:
    write("job/mine.yaml", JOB.format(code="../code"))
    write("endpoint/mine.yaml", "defaults: [tutorial, _self_]\ndeployment: {code: '${job.code}'}\n")
    composed = config("stage=all", "job=mine", "endpoint=mine", config_dir=mine)
    assert composed.endpoint.deployment.code == str(mine / "code")


def test_null_and_empty_paths_do_not_change(mine: Path) -> None:
    composed = config("stage=train", "job.code=null", "data.cache_dir=null")
    assert composed.job.code is None
    assert composed.data.cache_dir is None


def test_a_users_sweep(mine: Path, write: Write) -> None:
    write(
        "sweep/mine.yaml",
        "sampling_algorithm: {type: grid}\n"
        "search_space:\n  lr: {type: choice, values: [0.25, 0.5]}\n"
        "objective: {primary_metric: score, goal: maximize}\n"
        "limits: {max_total_trials: 2}\n"
        "early_termination: null\n",
    )
    write("job/mine.yaml", JOB.format(code=REPOSITORY / "trainer").replace("fit.py", "train.py"))
    composed = config("stage=sweep", "job=mine", "sweep=mine", config_dir=mine)
    assert checks.faults(composed) == []
    assert list(composed.sweep.search_space) == ["lr"]


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        (
            ["+sweep.search_space.x={type: choice, values: [1, 2]}"],
            {"x": {"type": "choice", "values": [1, 2]}},
        ),
        (["++sweep.search_space.learning_rate.min_value=-4"], {}),
        (["~sweep.search_space.learning_rate"], {"learning_rate": None}),
    ],
)
def test_the_command_line_can_replace_the_search_space(
    overrides: list[str], expected: dict[str, object]
) -> None:
    space = config("stage=sweep", *overrides).sweep.search_space
    for name, entry in expected.items():
        assert space.get(name) == entry
    if "min_value" in overrides[0]:
        assert space["learning_rate"]["min_value"] == -4


#: What YAML and Hydra read as something else than text.
WRITTEN = ("010", "1.50", "yes", "on", "1e3", "0x10", "1_000", "2024-01-01", "0o17", "1:30", ".5")


def variables(mine: Path, *overrides: str) -> Mapping[str, str]:
    return config("stage=train", "job=mine", *overrides, config_dir=mine).job.environment_variables


def test_an_environment_variable_is_the_text_in_the_file(mine: Path, write: Write) -> None:
    lines = [f"  V{index}: {text}" for index, text in enumerate(WRITTEN)]
    more = ["  QUOTED: '010'", "  SEED: ${seed}", "  FLAG: true", "  COUNT: 3"]
    block = "\n".join(["environment_variables:", *lines, *more])
    write("job/mine.yaml", f"{JOB.format(code='.')}{block}\n")
    found = variables(mine)
    assert [found[f"V{index}"] for index in range(len(WRITTEN))] == list(WRITTEN)
    assert [found[name] for name in ("QUOTED", "SEED", "FLAG", "COUNT")] == [
        *("010", "42", "true", "3")
    ]


def test_an_environment_variable_is_the_text_on_the_command_line(mine: Path, write: Write) -> None:
    write("job/mine.yaml", f"{JOB.format(code='.')}environment_variables: {{A: 1.50, B: 010}}\n")
    where = "job.environment_variables"
    assert variables(mine, f"{where}.B=1_000") == {"A": "1.50", "B": "1_000"}
    assert variables(mine, f"{where}={{A: 2.50, C: 1e3}}") == {
        "A": "2.50",
        "B": "010",
        "C": "1e3",
    }
    assert variables(mine, f"{where}={{}}", f"{where}.D=true") == {"D": "true"}


def test_environment_variables_of_a_deployment_and_of_a_profile(mine: Path, write: Write) -> None:
    write(
        "endpoint/mine.yaml",
        "defaults: [tutorial, _self_]\ndeployment:\n"
        "  environment_variables: {OMP_NUM_THREADS: 010}\n",
    )
    write("profile/mine.yaml", "# @package _global_\njob:\n  environment_variables: {A: 1.50}\n")
    found = config("stage=deploy", "endpoint=mine", "profile=mine", config_dir=mine)
    assert found.endpoint.deployment.environment_variables["OMP_NUM_THREADS"] == "010"
    assert found.job.environment_variables["A"] == "1.50"


def test_a_file_with_less_priority_does_not_change_an_environment_variable(
    mine: Path, write: Write
) -> None:
    write("job/base.yaml", "environment_variables: {A: '2', B: 1.50, C: 010}\n")
    write(
        "job/mine.yaml",
        f"defaults: [_self_, base]\n{JOB.format(code='.')}"
        "environment_variables: {A: 1.50, B: 010, C: yes, D: 1.0}\n",
    )
    assert variables(mine) == {"A": "2", "B": "1.50", "C": "010", "D": "1.0"}


def test_an_environment_variable_of_a_merge_key_is_the_text_in_the_file(
    mine: Path, write: Write
) -> None:
    block = "environment_variables:\n  A: &text 010\n  <<: [{A: 1.50, B: *text}, {B: yes, C: on}]\n"
    write("job/mine.yaml", f"{JOB.format(code='.')}{block}")
    assert variables(mine) == {"A": "010", "B": "010", "C": "on"}
