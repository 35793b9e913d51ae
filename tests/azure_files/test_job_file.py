"""What a job file means, and which line a fault names."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from mnist_exp.azure_files import JobFile, read_job_file
from mnist_exp.config import Stage
from mnist_exp.errors import ConfigError
from tests.support.files import write_file

COMMAND = "command: echo hi\nenvironment: azureml:AzureML-sklearn-1.5@latest\n"
SWEEP = (
    "type: sweep\n"
    "trial:\n  command: echo ${{inputs.A}} ${{search_space.B}}\n  environment: azureml:E:1\n"
    "inputs: {A: 0.5}\n"
    "search_space:\n  B: {type: choice, values: [a, b]}\n"
    "objective: {goal: minimize, primary_metric: loss}\n"
    "limits: {max_total_trials: 4}\n"
)


def read(
    folder: Path, text: str, changes: Mapping[str, Any] | None = None, *others: str
) -> JobFile:
    path = folder / "files" / "job.yml"
    write_file(path, text)
    return read_job_file(path, changes or {}, folder, others)


def faults(folder: Path, text: str, changes: Mapping[str, Any] | None = None) -> list[str]:
    with pytest.raises(ConfigError) as raised:
        read(folder, text, changes)
    return list(raised.value.lines)


def test_a_command_job_becomes_config_groups(tmp_path: Path) -> None:
    text = (
        "$schema: https://azuremlschemas.azureedge.net/latest/commandJob.schema.json\n"
        "command: python t.py $[[--x ${{inputs.x}}]] ${{ outputs.o }} $HOME\n"
        "code: src\n"
        "environment: {image: python, conda_file: conda.yml}\n"
        "environment_variables: {A: 1, B: true, C: text}\n"
        "inputs:\n"
        "  x: 1e-3\n"
        "  y: 0.5\n"
        "  d: {type: uri_file, path: data/d.csv}\n"
        "  u: {path: 'azureml:d@latest'}\n"
        "outputs:\n  o:\n"
        "compute: azureml:cpu-cluster\n"
        "identity: {type: user_identity}\n"
        "limits: {timeout: '30'}\n"
        "description: Text.\n"
        "tags: {a: b}\n"
    )
    found = read(tmp_path, text)
    files = tmp_path / "files"
    assert found.stage is Stage.train
    assert found.groups["job"] == {
        "experiment_name": tmp_path.name,
        "display_name": None,
        "description": "Text.",
        "tags": {"a": "b"},
        "command": "python t.py $[[--x {{inputs.x}}]] {{outputs.o}} $HOME",
        "code": str(files / "src"),
        "environment_variables": {"A": "1", "B": "true", "C": "text"},
        "distribution": {},
        "inputs": {
            # PyYAML, like Azure ML's SDK, reads 1e-3 as text.
            "x": "1e-3",
            "y": 0.5,
            "d": {"type": "uri_file", "path": str(files / "data/d.csv")},
            "u": {"path": "azureml:d@latest"},
        },
        "outputs": {"o": {}},
        "identity": "user",
        "primary_metric": None,
        "timeout": 30,
    }
    conda = str(files / "conda.yml")
    assert found.groups["env"] == {"type": "conda", "image": "python", "conda_file": conda}
    assert found.groups["compute"] == {"type": "amlcompute", "name": "cpu-cluster"}
    assert found.ignored_here == ("compute", "identity")


def test_a_sweep_becomes_config_groups(tmp_path: Path) -> None:
    found = read(tmp_path, SWEEP)
    assert found.stage is Stage.sweep
    assert found.groups["job"]["command"] == "echo {{inputs.A}} {{search_space.B}}"
    assert found.groups["job"]["primary_metric"] == "loss"
    assert found.groups["sweep"] == {
        "sampling_algorithm": "random",
        "search_space": {"B": {"type": "choice", "values": ["a", "b"]}},
        "objective": {"goal": "minimize", "primary_metric": "loss"},
        "early_termination": {},
        "limits": {"max_total_trials": 4},
    }
    assert found.groups["env"] == {"type": "curated", "name": "E:1"}


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ("azureml:N:3", {"type": "curated", "name": "N:3"}),
        (
            "azureml://registries/azureml/environments/sklearn-1.5/labels/latest",
            {
                "type": "curated",
                "name": "azureml://registries/azureml/environments/sklearn-1.5/labels/latest",
            },
        ),
        ("{image: python}", {"type": "conda", "image": "python"}),
        ("file:env/e.yml", {"type": "conda", "image": "i", "conda_file": "files/env/c.yml"}),
    ],
)
def test_each_kind_of_environment(
    tmp_path: Path, environment: str, expected: dict[str, str]
) -> None:
    write_file(tmp_path / "files" / "env" / "e.yml", "name: e\nimage: i\nconda_file: c.yml\n")
    found = dict(read(tmp_path, f"command: a\nenvironment: {environment}\n").groups["env"])
    if "conda_file" in found:
        found["conda_file"] = str(Path(found["conda_file"]).relative_to(tmp_path))
    assert found == expected


@pytest.mark.parametrize(
    ("lines", "fault"),
    [
        ("comand: a", "job.yml:3: comand: Azure ML has no such key in a command job; did you mean"),
        ("compute: <your compute>", "job.yml:3: compute: is a placeholder, <your compute>"),
        ("inputs:\n  d: 2024-01-01", "job.yml:4: inputs.d: must be text, a number, true or false"),
        ("tags: {a: 1}", "job.yml:3: tags.a: must be text, got 1"),
        ("limits: {timeout: soon}", "job.yml:3: limits.timeout: must be a whole number"),
        ("code: git+https://a/b", "job.yml:3: code: must be a local folder"),
        ("resources:\n  instance_count: 2", "job.yml:4: resources.instance_count: must be 1 with"),
        ("distribution:\n  type: ray", "job.yml:4: distribution.type: must be tensorflow"),
        ("distribution: 3", "job.yml:3: distribution: must be a mapping, got 3"),
        ("identity: {type: x}", "job.yml:3: identity.type: must be user_identity"),
    ],
)
def test_a_fault_names_its_key_and_its_line(tmp_path: Path, lines: str, fault: str) -> None:
    (found,) = faults(tmp_path, f"{COMMAND}{lines}\n")
    assert found.startswith(fault)


@pytest.mark.parametrize(
    ("command", "fault"),
    [
        ("echo ${{parent.inputs.x}}", "${{parent.inputs.x}} is no expression of a job"),
        ("echo {{inputs.x}}", "{{inputs.x}} is plain text on Azure ML; write ${{inputs.x}}"),
    ],
)
def test_an_expression_that_azure_does_not_replace_is_a_fault(
    tmp_path: Path, command: str, fault: str
) -> None:
    (found,) = faults(tmp_path, f"environment: azureml:E:1\ncommand: {command}\n")
    assert found.startswith(f"job.yml:2: command: {fault}")


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("type: pipeline\n", "pipeline"),
        ("jobs: {}\n", "pipeline"),
        ("$schema: https://a/latest/commandComponent.schema.json\ntype: command\n", "component"),
        ("type: automl\n", "automl"),
    ],
)
def test_another_kind_of_file_is_refused(tmp_path: Path, text: str, kind: str) -> None:
    (found,) = faults(tmp_path, text)
    assert "type: must be command or sweep, the kinds that mnist-exp runs, got " in found
    assert found.endswith(kind)


@pytest.mark.parametrize("text", ["- a\n", "a: [\n", "{{NAME}}: 1\n", "a: &a [*a]\n", "\x00"])
def test_a_file_that_is_no_mapping_is_a_fault(tmp_path: Path, text: str) -> None:
    assert len(faults(tmp_path, text)) >= 1


def test_a_docker_build_is_refused_unless_the_command_chooses_an_environment(
    tmp_path: Path,
) -> None:
    text = "command: a\nenvironment:\n  build: {path: docker}\n"
    (found,) = faults(tmp_path, text)
    assert found.startswith("job.yml:3: environment.build: ")
    assert "env=local" in found
    assert "env" not in read(tmp_path, text, None, "env").groups


def test_set_changes_the_document_before_it_is_checked(tmp_path: Path) -> None:
    changes = {
        "inputs": {"A": 2, "d": {"path": "mine.csv"}},
        "limits": {"max_total_trials": 2},
        "trial": {"environment": None},
    }
    (found,) = faults(tmp_path, SWEEP, changes)
    assert found.startswith("set.trial.environment: must be given")
    del changes["trial"]
    groups = read(tmp_path, SWEEP, changes).groups
    # A path on the command line is relative to the current folder, not to the folder of the file.
    assert groups["job"]["inputs"] == {"A": 2, "d": {"path": str(tmp_path / "mine.csv")}}
    assert groups["sweep"]["limits"] == {"max_total_trials": 2}


def test_a_message_about_a_config_key_becomes_a_message_about_the_file(tmp_path: Path) -> None:
    found = read(tmp_path, SWEEP)
    placed = found.placed("sweep.search_space.B.values: must be given")
    assert placed == "job.yml:7: search_space.B.values: must be given"
    assert found.placed("env.name: must be known") == "job.yml:4: trial.environment: must be known"
    for line in ("outputs_dir: must be a folder", "no key at all"):
        assert found.placed(line) == line
