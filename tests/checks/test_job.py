"""Rules of the job and registration groups."""

import os
import sys
from pathlib import Path

import pytest

from mnist_exp import checks
from mnist_exp.config import DistributionType
from tests.checks.rules import LR, Change, Rule, assert_is_one_line, command, setting
from tests.support.configs import fresh_config

OWN = f"{sys.prefix}/bin"
RULES: dict[str, Rule] = {
    "pip of mnist-exp": (
        "train",
        command(f"{OWN}/pip install x && python t.py"),
        f"which a job may not change, got {OWN}/pip; write pip, because a job has its own",
    ),
    "Python of mnist-exp behind a link": (
        "train",
        command(f"true; '{os.path.realpath(sys.prefix)}/bin/python3' -m pip install x"),
        "bin/python3; write python3, because",
    ),
    "pip of mnist-exp by a relative path": (
        "train",
        command(f"{os.path.relpath(OWN, Path.cwd() / 'outputs/jobs/NAME/wd')}/pip install x"),
        "bin/pip; write pip, because a job has its own environment",
    ),
    "activation of the environment of mnist-exp": (
        "train",
        command(f". {OWN}/activate; python t.py"),
        f"got {OWN}/activate; remove it, because a job has its own environment",
    ),
    "a name that no asset can have": (
        "train",
        setting(job__inputs__data={"type": "uri_file", "path": "azureml:my data:1"}),
        "job.inputs.data.path: must be azureml:NAME:VERSION or azureml:NAME@latest; the name must "
        "be at most 255 letters, digits, dots, hyphens and underscores, and begin with",
    ),
    "a label that Azure ML does not have": (
        "train",
        setting(job__inputs__data={"type": "mlflow_model", "path": "azureml:digits@prod"}),
        "begin with a letter or a digit, got 'digits@prod'",
    ),
    "an address of MLflow": (
        "train",
        setting(job__inputs__data={"type": "mlflow_model", "path": "models:/digits/3"}),
        "job.inputs.data.path: must be an address of Azure ML, got models:/digits/3; write "
        "azureml:digits:3",
    ),
    "shares": (
        "train",
        setting(
            job__distribution__type=DistributionType.tensorflow, job__distribution__worker_count=3
        ),
        "model.batch_size: must be a multiple of job.distribution.worker_count (3), so that "
        "all workers get equal shares of a batch, got 64",
    ),
    "neither script nor command": (
        "train",
        setting(job__script=None),
        "job.script: give exactly one of job.script and job.command",
    ),
    "script and command": (
        "train",
        setting(job__command="true"),
        "job.script: give exactly one of job.script and job.command",
    ),
    "script without code": (
        "train",
        setting(job__code=None),
        "job.code: must be the folder that contains job.script (train.py), got null",
    ),
    "code": ("train", setting(job__code="/nowhere"), "job.code: must be a folder, got /nowhere"),
    "script": (
        "train",
        setting(job__script="nope.py"),
        "job.script: must be a file in job.code",
    ),
    "script elsewhere": (
        "train",
        setting(job__script=str(Path(__file__).resolve())),
        "job.script: must be a file in job.code",
    ),
    "script above": (
        "train",
        setting(job__script="../conf/config.yaml"),
        "job.script: must be a file in job.code",
    ),
    "experiment": (
        "train",
        setting(job__experiment_name=""),
        "job.experiment_name: must be at most 255 letters",
    ),
    "experiment with a branch": (
        "train",
        setting(job__experiment_name="feature/foo"),
        "job.experiment_name: must be at most 255 letters, digits, dots, hyphens and underscores, "
        "and begin with a letter or a digit, got 'feature/foo'",
    ),
    "experiment in another alphabet": (
        "train",
        setting(job__experiment_name="Größe"),
        "job.experiment_name: must be at most 255 letters",
    ),
    "long experiment": (
        "train",
        setting(job__experiment_name="x" * 300),
        "job.experiment_name: must be at most 255 letters",
    ),
    "timeout": ("train", setting(job__timeout=0), "job.timeout: must be at least 1 second, got 0"),
    "workers": (
        "train",
        setting(job__distribution__worker_count=0),
        "job.distribution.worker_count: must be from 1 to 100, got 0",
    ),
    "workers of no type": (
        "train",
        setting(job__distribution__worker_count=2),
        "add job.distribution.type=tensorflow",
    ),
    "parameter servers": (
        "train",
        setting(job__distribution__parameter_server_count=1),
        "job.distribution.parameter_server_count: must be 0, got 1",
    ),
    "variable": (
        "train",
        setting(job__environment_variables={"A=secret": "1"}),
        "job.environment_variables: a name must not be empty and must not contain =, got 'A=...'",
    ),
    "input name": (
        "train",
        setting(job__inputs={"a-b": 1}),
        "job.inputs.a-b: a name must be letters",
    ),
    "input list": (
        "train",
        setting(job__inputs={"a": [1]}),
        "job.inputs.a: must be a literal or {type, path, mode}, got [1]",
    ),
    "input null": ("train", setting(job__inputs={"a": None}), "job.inputs.a: must be a literal"),
    "path input name": (
        "train",
        setting(job__inputs={"1a": {"path": "{{data}}"}}),
        "job.inputs.1a: a name must be letters",
    ),
    "path input type": (
        "train",
        setting(job__inputs={"a": {"type": "table", "path": "{{data}}"}}),
        "job.inputs.a.type: must be one of uri_folder, uri_file, mltable, custom_model, "
        "mlflow_model, triton_model, got table",
    ),
    "path input mode": (
        "train",
        setting(job__inputs={"a": {"mode": "eval_mount", "path": "{{data}}"}}),
        "job.inputs.a.mode: must be one of ro_mount, download, direct, got eval_mount",
    ),
    "path input key": (
        "train",
        setting(job__inputs={"a": {"pth": "x", "path": "{{data}}"}}),
        "job.inputs.a.pth: no such key; the keys are mode, path, type",
    ),
    "path input without path": (
        "train",
        setting(job__inputs={"a": {"type": "uri_file", "path": None}}),
        "job.inputs.a.path: must be given",
    ),
    "path input that is a number": (
        "train",
        setting(job__inputs={"a": {"path": 5}}),
        "job.inputs.a.path: must be text, got 5",
    ),
    "path input that is not there": (
        "train",
        setting(job__inputs={"a": {"path": "/nowhere"}}),
        "job.inputs.a.path: must exist, got /nowhere",
    ),
    "path input of another reference": (
        "train",
        setting(job__inputs={"a": {"path": "{{dat}}"}}),
        "job.inputs.a.path: the only allowed reference is {{data}}, got {{dat}}",
    ),
    "output name": (
        "train",
        setting(job__outputs={"a b": None}),
        "job.outputs.a b: a name must be letters",
    ),
    "output mode": (
        "train",
        setting(job__outputs={"a": {"mode": "ro_mount"}}),
        "job.outputs.a.mode: must be one of rw_mount, upload, got ro_mount",
    ),
    "output path": (
        "train",
        setting(job__outputs={"a": {"path": "x"}}),
        "job.outputs.a.path: must be a URI on Azure",
    ),
    "output key": (
        "train",
        setting(job__outputs={"a": {"folder": "x"}}),
        "job.outputs.a.folder: no such key; the keys are mode, name, path, type",
    ),
    "output name of an asset": (
        "train",
        setting(job__outputs={"a": {"name": "a/b"}}),
        "job.outputs.a.name: must be at most 255 letters, digits, dots, hyphens and underscores, "
        "and begin with a letter or a digit, got 'a/b'",
    ),
    "variable that is a list": (
        "train",
        setting(job__environment_variables={"A": [1]}),
        "job.environment_variables.A: must be text, got a list; put the text in quotes",
    ),
    "model input without a model": (
        "train",
        setting(job__inputs={"a": {"type": "mlflow_model", "path": str(Path(__file__).parent)}}),
        "job.inputs.a.path: must be a folder with the file MLmodel, because the type is",
    ),
    "code that is a file": (
        "train",
        setting(job__code=__file__),
        f"job.code: must be a folder, got {__file__}, which is a file",
    ),
    "output text": (
        "train",
        setting(job__outputs={"a": "uri_folder"}),
        "job.outputs.a: must be {type, mode, path, name}, got 'uri_folder'",
    ),
    "undefined input": (
        "train",
        command("t {{inputs.lr}}", mu=1),
        "job.command: {{inputs.lr}} is not defined; inputs has mu",
    ),
    "undefined output": (
        "train",
        command("t {{outputs.model}}"),
        "job.command: {{outputs.model}} is not defined; outputs has no names",
    ),
    "drawn value in a single job": (
        "train",
        command("t {{search_space.learning_rate}}"),
        "job.command: {{search_space.learning_rate}} is not defined; search_space has no names",
    ),
    "drawn value in a job that also runs by itself": (
        "all",
        command(
            "t {{search_space.learning_rate}} {{search_space.batch_size}} "
            "{{search_space.first_layer_neurons}} {{search_space.second_layer_neurons}}"
        ),
        "job.command: {{search_space.learning_rate}} is not defined; search_space has no names",
    ),
    "drawn value that is not drawn": (
        "sweep",
        setting(
            job__script=None,
            job__command="t {{inputs.lr}} {{search_space.mu}}",
            job__inputs={"lr": 1},
            sweep__search_space={"lr": LR},
        ),
        "job.command: {{search_space.mu}} is not defined; search_space has lr",
    ),
    "reference that is none": (
        "train",
        command("t {{input.x}}"),
        "job.command: {{input.x}} is not a valid reference; write {{inputs.x}}, {{outputs.x}} ",
    ),
    "swept name that a command does not use": (
        "sweep",
        setting(
            job__script=None,
            job__command="true",
            job__inputs={},
            sweep__search_space={"lr": LR},
        ),
        "sweep.search_space.lr: no input of the job has this name, and job.command does not use",
    ),
    "registration name": (
        "register",
        setting(registration__name="my model"),
        "registration.name: must be at most 255 letters, digits, dots, hyphens and underscores, "
        "and begin with a letter or a digit, got 'my model'",
    ),
    "registration type": (
        "register",
        setting(registration__type="pickle"),
        "registration.type: must be one of custom_model, mlflow_model, triton_model, got pickle",
    ),
    "registration path": (
        "register",
        setting(registration__path="../x"),
        "registration.path: must be relative to the job's files, got ../x",
    ),
    "absolute registration path": (
        "register",
        setting(registration__path="/x"),
        "registration.path: must be relative to the job's files, got /x",
    ),
}


@pytest.mark.parametrize("path", ["a:1", "a@latest", "/subscriptions/s/x y", "//registries/r/x"])
def test_an_address_of_azure_is_valid(path: str) -> None:
    config = fresh_config("stage=train")
    setting(job__inputs__data={"type": "uri_file", "path": f"azureml:{path}"})(config)
    assert checks.faults(config) == []


@pytest.mark.parametrize(("stage", "change", "expected"), RULES.values(), ids=RULES.keys())
def test_a_broken_rule_is_one_line(stage: str, change: Change, expected: str) -> None:
    assert_is_one_line(stage, change, expected)


def test_a_faulty_path_input_is_one_fault() -> None:
    config = fresh_config("stage=train")
    config.job.inputs = {"a": {"path": ""}}
    assert checks.faults(config) == ["job.inputs.a.path: must be given"]


def test_inputs_on_azure_are_not_checked_here() -> None:
    config = fresh_config("stage=train")
    config.job.inputs = {
        "a": {"path": "azureml:digits:1"},
        "b": {"path": "https://example.com/x"},
    }
    assert checks.faults(config) == []


@pytest.mark.parametrize("kind", ["mltable", "custom_model", "triton_model", "mlflow_model"])
def test_inputs_and_outputs_have_azures_types(tmp_path: Path, kind: str) -> None:
    for name in ("MLTable", "MLmodel"):
        (tmp_path / name).touch()
    config = fresh_config("stage=train")
    config.job.inputs = {"a": {"type": kind, "path": str(tmp_path)}}
    config.job.outputs = {"b": {"type": kind, "name": "mine"}}
    assert checks.faults(config) == []
    config.job.outputs["b"]["path"] = "azureml://datastores/d/paths/p"
    found = [line for line in checks.warnings(config) if "has no effect on this machine" in line]
    keys = [line.partition(":")[0] for line in found]
    # A model's name has an effect: the output becomes a registered model.
    names = [] if kind.endswith("_model") else ["job.outputs.b.name"]
    assert keys == [*names, "job.outputs.b.path"]


@pytest.mark.parametrize(
    "text",
    [
        "t {{inputs.lr}}",
        "t {{search_space.lr}}",
        "t $[[--mu {{inputs.mu}}]] {{inputs.lr}}",
        "if [[ -f x ]]; then t {{inputs.lr}}; fi",
    ],
)
def test_a_sweeps_command_may_use_keys_that_are_no_inputs(text: str) -> None:
    config = fresh_config("stage=sweep")
    command(text)(config)
    config.sweep.search_space = {"lr": LR}
    assert checks.faults(config) == []


def test_a_faulty_sweep_is_not_blamed_on_the_command() -> None:
    config = fresh_config("stage=sweep")
    command("t {{search_space.lr}}")(config)
    config.sweep.search_space = {"lr": {"type": "uniform", "min_value": 1, "max_value": 0}}
    (line,) = checks.faults(config)
    assert line.startswith("sweep.search_space.lr: min_value must be below max_value")
