"""A primary config of the user, and the saved config of an earlier run."""

import shutil
from pathlib import Path

import pytest
import yaml
from hydra.core.override_parser.overrides_parser import OverridesParser

from mnist_exp.cli.primary import search_entry
from tests.support.in_process import InProcessCli

JOB = """\
experiment_name: mine
code: ../../code
script: fit.py
inputs: {lr: 0.5, words: {type: uri_file, path: ../../words.txt}}
primary_metric: score
"""


@pytest.fixture
def project(in_process_cli: InProcessCli) -> InProcessCli:
    """A command line in a project with a job of its own."""
    files = {
        "code/fit.py": "",
        "words.txt": "",
        "own/job/mine.yaml": JOB,
        "own/main.yaml": "defaults: [config, override job: mine, _self_]\nseed: 7\n",
        "own/bare.yaml": "seed: 7\n",
        "own/list.yaml": "[1]\n",
        "own/broken.yaml": "{",
    }
    for name, text in files.items():
        path = in_process_cli.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return in_process_cli


def planned(cli: InProcessCli, *arguments: str) -> dict[str, object]:
    """Return the job that a command would submit."""
    before = set(cli.folder.glob("outputs/runs/*/*/dry-run/train.yaml"))
    cli.ok(*arguments, "dry_run=true")
    (path,) = set(cli.folder.glob("outputs/runs/*/*/dry-run/train.yaml")) - before
    form: dict[str, object] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return form


@pytest.mark.parametrize("name", ["a b", "it's", "a\\'b", "a\\"])
def test_a_search_path_may_have_any_name(name: str) -> None:
    override = OverridesParser.create().parse_override(f"key=[{search_entry(Path('/x', name))}]")
    assert override.value() == [f"file:///x/{name}"]


@pytest.mark.parametrize("flag", ["--config-path", "--config-dir"])
def test_a_primary_config_may_change_ours(project: InProcessCli, flag: str) -> None:
    form = planned(project, flag, "own", "--config-name", "main", "stage=train")
    assert form["experiment_name"] == "mine"
    assert form["code"] == str(project.folder / "code")
    assert project.ok(
        *(flag, "own", "--config-name=main", "--cfg", "job", "stage=train", "model=small")
    ).stdout.count("seed: 7")


def test_all_faults_of_a_command_with_its_own_primary_config(project: InProcessCli) -> None:
    done = project("--config-path", "own", "--config-name", "main", "stage=trian", "model.x=1")
    keys = [line.split(":")[1].strip() for line in done.stderr.splitlines()]
    assert sorted(keys) == ["model.x", "stage"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--config-path=own --config-name=bare", "own/bare.yaml: must begin with a defaults list"),
        ("--config-path own --config-name mian", "--config-name: must be a YAML file in own, got"),
        ("--config-dir own --config-name mian", "--config-name: must be a YAML file in own, got m"),
        ("--config-path nowhere", "--config-path: must be a folder, got nowhere"),
        ("--config-path own -cn list", "own/list.yaml: must be a mapping of keys"),
        ("--config-path own -cn broken", "own/broken.yaml: must be valid YAML"),
        ("--experimental-rerun config.pickle", "--experimental-rerun: is not supported; repeat"),
    ],
)
def test_another_primary_config_is_one_line(
    project: InProcessCli, words: str, message: str
) -> None:
    done = project(*words.split(), "stage=train")
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"error: {message}")
    assert not project.outputs.exists()


def test_a_run_is_repeated_as_hydra_documents_it(project: InProcessCli) -> None:
    first = planned(project, "--config-dir", "own", "stage=train", "job=mine", "job.inputs.lr=0.25")
    (saved,) = project.outputs.glob("runs/*/*/.hydra")
    again = ["--config-path", str(saved.relative_to(project.folder)), "--config-name", "config"]
    unnamed = {key: value for key, value in first.items() if "name" not in key}
    assert planned(project, *again).items() >= unnamed.items()
    changed = planned(project, *again, "job.inputs.lr=0.75")
    words = {"type": "uri_file", "path": str(project.folder / "words.txt"), "mode": "ro_mount"}
    assert changed["inputs"] == {"lr": 0.75, "words": words}


def test_a_run_is_repeated_after_the_project_was_moved(
    project: InProcessCli, tmp_path_factory: pytest.TempPathFactory
) -> None:
    planned(project, "--config-dir", "own", "stage=train", "job=mine")
    moved = tmp_path_factory.mktemp("elsewhere") / "deep" / "er"
    shutil.move(project.folder, moved)
    project.folder = moved
    (saved,) = project.outputs.glob("runs/*/*/.hydra")
    form = planned(project, "--config-path", str(saved), "--config-name", "config")
    assert form["code"] == str(moved / "code")


@pytest.mark.parametrize("words", ['+hydra.sweeper.params={model.epochs: "1,2"}'])
def test_a_multirun_without_its_flag(project: InProcessCli, words: str) -> None:
    done = project.ok("stage=train", "dry_run=true", "hydra.mode=MULTIRUN", words)
    assert [line for line in done.stderr.splitlines() if line.startswith("variant ")] == [
        f"variant {number}: model.epochs={number + 1} stage=train dry_run=True" for number in (0, 1)
    ]


@pytest.mark.parametrize(
    "words",
    [
        "+hydra.sweeper.params.model.epochs='1,2'",
        "hydra.sweeper.params={model.epochs: '1,2'}",
        "hydra.sweeper.params=3",
    ],
)
def test_other_values_of_a_multirun_are_one_line(project: InProcessCli, words: str) -> None:
    done = project("stage=train", "hydra.mode=MULTIRUN", words)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: hydra.sweeper.params: must be a mapping of keys to texts; write")
    assert Path(project.folder, "outputs").exists() is False
