"""Commands with `file=`: what replaces the config groups, and what has priority."""

import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.files import write_file
from tests.support.in_process import InProcessCli

JOB = (
    "command: echo ${{inputs.x}} $HOME ${PATH}\n"
    "environment: azureml:AzureML-sklearn-1.5@latest\n"
    "inputs: {x: 1}\n"
    "limits: {timeout: 60}\n"
)


def document(cli: InProcessCli, *arguments: str) -> Any:
    """Return the YAML document that a dry run prints."""
    return yaml.safe_load(cli.ok(*arguments, "dry_run=true").stdout)


@pytest.fixture
def job(tmp_path: Path) -> Path:
    write_file(tmp_path / "files" / "job.yml", JOB)
    return tmp_path / "files" / "job.yml"


def test_the_file_replaces_the_defaults_and_the_command_line_the_file(
    in_process_cli: InProcessCli, job: Path
) -> None:
    found = document(in_process_cli, "stage=run", "file=files/job.yml")
    assert found["command"] == "echo ${{inputs.x}} $HOME ${PATH}"
    assert found["inputs"] == {"x": 1}
    assert (found["environment_variables"], found["outputs"]) == ({}, {})
    assert found["environment"] == "azureml:AzureML-sklearn-1.5@latest"
    assert found["limits"] == {"timeout": 60}
    own = ("env=local", "job.timeout=5", "set.inputs.x=2", "++job.inputs.y=3")
    changed = document(in_process_cli, "stage=run", "file=files/job.yml", *own)
    assert changed["environment"] == "azureml:this-machine@latest"
    assert (changed["limits"], changed["inputs"]) == ({"timeout": 5}, {"x": 2, "y": 3})


@pytest.mark.parametrize(
    "arguments",
    [
        ("stage=train", "job.timeout=9", "+job.tags.a=b", "job.description=Text"),
        ("stage=train", "compute=serverless", "job.display_name=shown", "job.identity=null"),
        (
            "stage=train",
            "job.distribution.type=tensorflow",
            "job.distribution.worker_count=2",
            "env=conda",
        ),
        ("stage=sweep", "job.display_name=shown"),
        ("stage=sweep", "sweep=bayesian", "compute=cpu_cluster"),
        ("stage=sweep", "+sweep.search_space.model.epochs={type: choice, values: [5, 10]}"),
    ],
)
def test_a_file_means_what_the_dry_run_has_printed(
    in_process_cli: InProcessCli, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    chosen = () if "env=conda" in arguments else ("env=curated",)
    first = document(in_process_cli, *arguments, *chosen)
    # The dry run has not created the folder with the digits.
    Path(first["inputs"]["data_folder"]["path"]).mkdir(parents=True, exist_ok=True)
    write_file(tmp_path / "printed.yml", yaml.safe_dump(first))
    second = document(in_process_cli, "stage=run", "file=printed.yml")
    for each in (first, second):
        # A new run gets a new name.
        del each["name"]
        if each["display_name"].startswith("train_"):
            del each["display_name"]
    assert second == first


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("stage=run",), "file: must name the job file of stage=run; add file=job.yml"),
        (("stage=run", "file=none.yml"), "file: must be a YAML file, got "),
        (("stage=run", "file=files/job.yml", "job=tutorial"), "job: must not be chosen together"),
        (("stage=sweep", "file=files/job.yml"), "file: must be a sweep for stage=sweep"),
        (
            ("stage=run", "file=files/job.yml", "set.limits.timeout=0"),
            "set.limits.timeout: must be at least 1 second",
        ),
        (
            ("stage=run", "file=files/job.yml", "set.inputs=null"),
            "job.yml:1: command: {{inputs.x}} is not defined",
        ),
        (
            ("stage=run", "file=files/job.yml", "set.inputs.x={path: 'https://a/b'}"),
            "set.inputs.x.path: must be a local path",
        ),
    ],
)
def test_a_fault_is_one_line_and_nothing_is_left(
    in_process_cli: InProcessCli, job: Path, arguments: tuple[str, ...], line: str
) -> None:
    done = in_process_cli(*arguments)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines()[-1].startswith(f"error: {line}")
    assert not in_process_cli.outputs.exists()


def test_a_field_without_effect_is_named_once(in_process_cli: InProcessCli, job: Path) -> None:
    write_file(job, f"{JOB}name: mine\ncompute: azureml:cpu-cluster\nservices: {{}}\n")
    done = in_process_cli.ok("stage=run", "file=files/job.yml", "dry_run=true")
    assert done.stderr == "warning: job.yml: compute, name, services: no effect on this machine\n"


def test_each_variant_changes_the_file(in_process_cli: InProcessCli, job: Path) -> None:
    done = in_process_cli.ok(
        "-m", "stage=run", "file=files/job.yml", "set.inputs.x=1,2", "dry_run=true"
    )
    assert "  x: 1\n" in done.stdout
    assert "  x: 2\n" in done.stdout


def test_the_saved_config_has_the_content_of_the_file_and_no_secret(
    in_process_cli: InProcessCli, job: Path
) -> None:
    secret = "set.environment_variables.TOKEN=secret-text"
    in_process_cli.ok("stage=run", "file=files/job.yml", secret, "dry_run=true")
    (saved,) = in_process_cli.outputs.glob("runs/*/*-train/.hydra/config.yaml")
    content = yaml.safe_load(saved.read_text())
    assert (content["stage"], content["file"], content["set"]) == ("train", None, {})
    assert content["job"]["inputs"] == {"x": 1}
    texts = [path.read_text() for path in saved.parent.glob("*")]
    assert not any("secret-text" in text for text in texts)


def test_the_trial_of_a_sweep_can_run_once(in_process_cli: InProcessCli, tmp_path: Path) -> None:
    write_file(
        tmp_path / "sweep.yml",
        "type: sweep\n"
        "trial: {command: 'echo ${{search_space.B}}', environment: 'azureml:E:1'}\n"
        "search_space: {B: {type: choice, values: [a, b]}}\n"
        "objective: {goal: minimize, primary_metric: loss}\n"
        "limits: {max_total_trials: 4}\n",
    )
    once = ("stage=train", "file=sweep.yml", "env=local", "++job.inputs.B=a")
    found = document(in_process_cli, *once)
    assert (found["command"], found["inputs"]) == ("echo ${{inputs.B}}", {"B": "a"})


@pytest.mark.parametrize("kind", ["command", "sweep"])
def test_imported_config_groups_mean_the_same_as_the_file(
    in_process_cli: InProcessCli, tmp_path: Path, kind: str
) -> None:
    folder = tmp_path / "files"
    write_file(folder / "src" / "a.txt", "1\n")
    trial = {
        "command": "echo ${{inputs.x}} ${{inputs.d}} ${HOME}\nls\n",
        "code": "src",
        "environment": "azureml:AzureML-sklearn-1.5@latest",
        "environment_variables": {"A": 1},
    }
    common = {
        "inputs": {"x": "1e-3", "d": {"type": "uri_file", "path": "src/a.txt"}},
        "display_name": "shown",
        "compute": "azureml:cpu-cluster",
    }
    sweep = {
        "type": "sweep",
        "trial": {**trial, "command": "echo ${{search_space.B}}"},
        "search_space": {"B": {"type": "choice", "values": ["1e-3", "x"]}},
        "objective": {"goal": "minimize", "primary_metric": "loss"},
        "limits": {"max_total_trials": 4},
    }
    content = {**common, **(sweep if kind == "sweep" else trial)}
    write_file(folder / "my job.yml", yaml.safe_dump(content))
    file = "file=files/my job.yml"
    printed = in_process_cli.ok("stage=import", file, "import_dir=own/conf").stdout.splitlines()
    first = document(in_process_cli, "stage=run", file)
    use = shlex.split(printed[-1].removeprefix("use: mnist-exp "))
    second = document(in_process_cli, *use)
    for each in (first, second):
        del each["name"]
    assert second == first
    again = in_process_cli("stage=import", file, "import_dir=own/conf")
    assert again.returncode == 1
    assert "error: import_dir: must not contain own/conf/job/my_job.yaml" in again.stderr
