"""Every rule once. Configs are composed from conf/ and then bent out of shape."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mnist_exp import checks
from mnist_exp.config import (
    ComputeTier,
    ComputeType,
    DistributionType,
    EnvType,
    ExperimentConfig,
    Stage,
)
from tests.composing import fresh_config

Change = Callable[[ExperimentConfig], object]


def setting(**values: Any) -> Change:
    """Return a change that sets dotted keys, dots written as two underscores."""

    def change(config: ExperimentConfig) -> None:
        for key, value in values.items():
            *parents, name = key.split("__")
            node: Any = config
            for parent in parents:
                node = node[parent] if isinstance(node, dict) else getattr(node, parent)
            if isinstance(node, dict):
                node[name] = value
            else:
                setattr(node, name, value)

    return change


def command(text: str, **inputs: Any) -> Change:
    """Return a change that runs a shell command instead of the script."""
    return setting(job__script=None, job__command=text, job__inputs=inputs, job__outputs={})


LR = {"type": "uniform", "min_value": 0.0, "max_value": 1.0}

RULES: dict[str, tuple[str, Change, str]] = {
    "seed below": ("compute", setting(seed=-1), "seed: must be from 0 to 2147483647, got -1"),
    "seed above": ("compute", setting(seed=2**31), "seed: must be from 0 to 2147483647"),
    "outputs_dir": ("compute", setting(outputs_dir=" "), "outputs_dir: must be a folder"),
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
        "nodes of low priority alone",
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
    "shares": (
        "train",
        setting(
            job__distribution__type=DistributionType.tensorflow, job__distribution__worker_count=3
        ),
        "model.batch_size: must be a multiple of job.distribution.worker_count, 3, for equal "
        "shares of a step, got 64",
    ),
    "neurons": (
        "train",
        setting(model__first_layer_neurons=0),
        "model.first_layer_neurons: must be a whole number of at least 1, got 0",
    ),
    "more neurons": (
        "train",
        setting(model__second_layer_neurons=-1),
        "model.second_layer_neurons: must be",
    ),
    "batch size": ("train", setting(model__batch_size=0), "model.batch_size: must be a whole"),
    "epochs without end": (
        "train",
        setting(model__epochs=10**20),
        "model.epochs: must be at most 1000000, got 100000000000000000000",
    ),
    "name of this machine": ("compute", setting(compute__name="x"), "compute.name: must be 3 to"),
    "epochs": ("train", setting(model__epochs=0), "model.epochs: must be a whole number"),
    "learning rate nan": (
        "train",
        setting(model__learning_rate=float("nan")),
        "model.learning_rate: must be a finite number above 0, got nan",
    ),
    "learning rate inf": (
        "train",
        setting(model__learning_rate=float("inf")),
        "model.learning_rate: must be a finite",
    ),
    "learning rate zero": (
        "train",
        setting(model__learning_rate=0.0),
        "model.learning_rate: must be a finite number above 0, got 0.0",
    ),
    "neither script nor command": (
        "train",
        setting(job__script=None),
        "job.script: name either a Python script or a job.command",
    ),
    "script and command": (
        "train",
        setting(job__command="true"),
        "job.script: name either a Python script or a job.command",
    ),
    "script without code": (
        "train",
        setting(job__code=None),
        "job.code: must be the folder that holds job.script (train.py), got null",
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
        "job.experiment_name: must not be empty",
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
        setting(job__environment_variables={"A=B": "1"}),
        "job.environment_variables: a name must not be empty nor hold =, got 'A=B'",
    ),
    "server's setting": (
        "deploy",
        setting(endpoint__deployment__environment_variables={"SCORING_TIMEOUT_MS": "1s"}),
        "endpoint.deployment.environment_variables.SCORING_TIMEOUT_MS: must be a whole number "
        "above 0, got '1s'",
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
        setting(job__inputs={"a": {"type": "mltable", "path": "{{data}}"}}),
        "job.inputs.a.type: must be one of uri_folder, uri_file, got mltable",
    ),
    "path input mode": (
        "train",
        setting(job__inputs={"a": {"mode": "eval_mount", "path": "{{data}}"}}),
        "job.inputs.a.mode: must be one of ro_mount, download, direct, got eval_mount",
    ),
    "path input key": (
        "train",
        setting(job__inputs={"a": {"pth": "x", "path": "{{data}}"}}),
        "job.inputs.a.pth: no such key; it has mode, path, type",
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
        "job.inputs.a.path: the only reference is {{data}}, got {{dat}}",
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
        "job.outputs.a.path: no such key; it has mode, type",
    ),
    "output text": (
        "train",
        setting(job__outputs={"a": "uri_folder"}),
        "job.outputs.a: must be {type, mode}, got 'uri_folder'",
    ),
    "undefined input": (
        "train",
        command("t {{inputs.lr}}", mu=1),
        "job.command: {{inputs.lr}} is not defined; there are mu",
    ),
    "undefined output": (
        "train",
        command("t {{outputs.model}}"),
        "job.command: {{outputs.model}} is not defined; there are none",
    ),
    "drawn value in a single job": (
        "train",
        command("t {{search_space.learning_rate}}"),
        "job.command: {{search_space.learning_rate}} is not defined; there are none",
    ),
    "drawn value in a job that also runs by itself": (
        "all",
        command(
            "t {{search_space.learning_rate}} {{search_space.batch_size}} "
            "{{search_space.first_layer_neurons}} {{search_space.second_layer_neurons}}"
        ),
        "job.command: {{search_space.learning_rate}} is not defined; there are none",
    ),
    "drawn value that is not drawn": (
        "sweep",
        setting(
            job__script=None,
            job__command="t {{inputs.lr}} {{search_space.mu}}",
            job__inputs={"lr": 1},
            sweep__search_space={"lr": LR},
        ),
        "job.command: {{search_space.mu}} is not defined; there are lr",
    ),
    "swept name of no input": (
        "sweep",
        setting(sweep__search_space={"lerning_rate": LR}),
        "sweep.search_space.lerning_rate: no input of the job has this name; "
        "did you mean learning_rate?",
    ),
    "reference that is none": (
        "train",
        command("t {{input.x}}"),
        "job.command: {{input.x}} is no reference; write {{inputs.x}}, {{outputs.x}} or",
    ),
    "home folder": (
        "train",
        setting(outputs_dir="~/out"),
        f"outputs_dir: ~ is not understood here; write outputs_dir={Path.home()}/out",
    ),
    "both quotes": (
        "train",
        setting(outputs_dir="""a'b"c"""),
        "outputs_dir: MLflow opens no store in a path with both",
    ),
    "record of a stage that begins anew": (
        "all",
        setting(run="sweep_1"),
        "run: stage=all goes on from no record, got sweep_1; leave run= out",
    ),
    "swept batch size of none": (
        "sweep",
        setting(sweep__search_space={"batch_size": {"type": "choice", "values": [0, -1]}}),
        "sweep.search_space.batch_size: may draw 0, and model.batch_size must be a whole number "
        "of at least 1",
    ),
    "swept batch size that is a word": (
        "sweep",
        setting(sweep__search_space={"batch_size": {"type": "choice", "values": [32, "abc"]}}),
        "sweep.search_space.batch_size: may draw abc, and",
    ),
    "swept batch size that is broken": (
        "sweep",
        setting(
            sweep__search_space={"batch_size": {"type": "uniform", "min_value": 1, "max_value": 9}}
        ),
        "sweep.search_space.batch_size: may draw 4.056, and",
    ),
    "swept batch size with a broken step among others": (
        "sweep",
        setting(
            sweep__search_space={
                "batch_size": {"type": "quniform", "min_value": 63, "max_value": 81, "q": 12.8}
            }
        ),
        "sweep.search_space.batch_size: may draw 76.8, and",
    ),
    "swept epochs from none on": (
        "all",
        setting(sweep__search_space={"epochs": {"type": "randint", "upper": 3}}),
        "sweep.search_space.epochs: may draw 0, and model.epochs must be",
    ),
    "swept learning rate below zero": (
        "sweep",
        setting(
            sweep__search_space={
                "learning_rate": {"type": "uniform", "min_value": -1, "max_value": 0}
            }
        ),
        "sweep.search_space.learning_rate: may draw -1, and model.learning_rate must be a finite",
    ),
    "swept learning rate that may fall below zero": (
        "sweep",
        setting(sweep__search_space={"learning_rate": {"type": "normal", "mu": 0.1, "sigma": 0.1}}),
        "sweep.search_space.learning_rate: may draw -0.20",
    ),
    "swept optimizer that does not exist": (
        "sweep",
        setting(sweep__search_space={"optimizer": {"type": "choice", "values": ["sgd", "adan"]}}),
        "sweep.search_space.optimizer: may draw adan, and model.optimizer must be one of sgd, ",
    ),
    "swept name that a command does not use": (
        "sweep",
        setting(
            job__script=None,
            job__command="true",
            job__inputs={},
            sweep__search_space={"lr": LR},
        ),
        "sweep.search_space.lr: no input of the job has this name; the command does not use it",
    ),
    "sweep": (
        "sweep",
        setting(sweep__limits__max_total_trials=0),
        "sweep.limits.max_total_trials: ",
    ),
    "registration name": (
        "register",
        setting(registration__name="a/b"),
        "registration.name: must not be empty nor hold / : or \\, got 'a/b'",
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
    "endpoint name": (
        "invoke",
        setting(endpoint__name="9"),
        "endpoint.name: must be 3 to 32 letters",
    ),
    "endpoint prefix": (
        "deploy",
        setting(endpoint__name_prefix="x" * 30),
        "endpoint.name_prefix: must be 3 to 32 letters",
    ),
    "samples": (
        "invoke",
        setting(endpoint__samples=0),
        "endpoint.samples: must be at least 1, got 0",
    ),
    "port": (
        "deploy",
        setting(endpoint__port=80),
        "endpoint.port: must be from 1024 to 65535, got 80",
    ),
    "request file": (
        "invoke",
        setting(endpoint__request_file="/nowhere.json"),
        "endpoint.request_file: must be a file, got /nowhere.json",
    ),
    "traffic of one": (
        "deploy",
        setting(endpoint__traffic={"a": 150, "b": -50}),
        "endpoint.traffic.b: must be a whole percentage from 0 to 100, got -50",
    ),
    "traffic": (
        "deploy",
        setting(endpoint__traffic={"a": 90}),
        "endpoint.traffic: must sum to 0 or 100, got 90",
    ),
    "deployment name": (
        "deploy",
        setting(endpoint__deployment__name="x"),
        "endpoint.deployment.name: must be 3 to 32 letters",
    ),
    "deployment code": (
        "deploy",
        setting(endpoint__deployment__code="/nowhere"),
        "endpoint.deployment.code: must be a folder, got /nowhere",
    ),
    "scoring script": (
        "deploy",
        setting(endpoint__deployment__scoring_script="nope.py"),
        "endpoint.deployment.scoring_script: must be a file in endpoint.deployment.code",
    ),
    "instances": (
        "deploy",
        setting(endpoint__deployment__instance_count=51),
        "endpoint.deployment.instance_count: must be from 1 to 50, got 51",
    ),
    "request timeout": (
        "deploy",
        setting(endpoint__deployment__request_settings__request_timeout_ms=180_001),
        "request_timeout_ms: must be from 1 to 180000, got 180001",
    ),
    "concurrent requests": (
        "deploy",
        setting(endpoint__deployment__request_settings__max_concurrent_requests_per_instance=0),
        "max_concurrent_requests_per_instance: must be from 1 to 1000, got 0",
    ),
    "deployment environment": (
        "deploy",
        setting(endpoint__deployment__environment__image=None),
        "endpoint.deployment.environment.image: a conda environment needs a Docker image",
    ),
}


@pytest.mark.parametrize(("stage", "change", "expected"), RULES.values(), ids=RULES.keys())
def test_a_broken_rule_is_one_line(stage: str, change: Change, expected: str) -> None:
    config = fresh_config(f"stage={stage}")
    assert checks.faults(config) == []
    change(config)
    found = checks.faults(config)
    about = [line for line in found if expected in line]
    assert len(about) == 1, found
    # The traffic and the all-in-one rules break two at once; all else breaks exactly one.
    assert len(found) == 1 or "traffic" in expected or "search_space.learning_rate" in expected
    assert all("\n" not in line for line in found)


def test_a_faulty_path_input_is_not_said_twice() -> None:
    config = fresh_config("stage=train")
    config.job.inputs = {"a": {"path": ""}}
    assert checks.faults(config) == ["job.inputs.a.path: must be given"]


def test_data_folder_that_is_not_there() -> None:
    config = fresh_config("stage=train", "data=folder", "data.path=/nowhere")
    assert checks.faults(config) == [
        "data.path: must be a folder with the four IDX files, got /nowhere, which does not exist; "
        "or use data=sample"
    ]


def test_all_faults_are_told_at_once() -> None:
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


@pytest.mark.parametrize(
    "text",
    [
        "t {{inputs.lr}}",
        "t {{search_space.lr}}",
        "t [[--mu {{inputs.mu}}]] {{inputs.lr}}",
        "if [[ -f x ]]; then t {{inputs.lr}}; fi",
    ],
)
def test_a_sweeps_command_may_use_what_is_drawn_alone(text: str) -> None:
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


def test_faults_of_the_sweep_hide_none_of_its_search_space() -> None:
    config = fresh_config("stage=sweep")
    config.sweep.limits.max_total_trials = 0
    config.sweep.sampling_algorithm = {"type": "grid", "seed": 1}
    config.sweep.search_space = {
        "lerning_rate": {"type": "uniform", "min_value": 0, "max_value": 1},
        "batch_size": {"type": "choice", "values": [0]},
        "model__epochs": {"type": "choice", "values": [1]},
    }
    assert [line.partition(": ")[0] for line in checks.faults(config)] == [
        "sweep.sampling_algorithm.seed",
        "sweep.search_space.lerning_rate",
        "sweep.search_space",
        "sweep.limits.max_total_trials",
        "sweep.search_space.lerning_rate",
        "sweep.search_space.batch_size",
    ]


def test_a_script_may_sweep_what_is_no_input() -> None:
    config = fresh_config("stage=sweep")
    config.sweep.search_space = {"dropout": LR}
    assert checks.faults(config) == []


@pytest.mark.parametrize(
    "space",
    [
        {"batch_size": {"type": "choice", "values": [32, "64"]}},
        {"batch_size": {"type": "qloguniform", "low": 8, "high": 256, "q": 8}},
        {"learning_rate": {"type": "lognormal", "mu": -3, "sigma": 1}},
        {"optimizer": {"type": "choice", "values": ["sgd", "adam"]}},
    ],
    ids=str,
)
def test_what_the_model_takes_may_be_drawn(space: dict[str, Any]) -> None:
    config = fresh_config("stage=sweep")
    config.sweep.search_space = space
    assert checks.faults(config) == []


def test_an_input_of_ones_own_is_not_held_to_the_models_rules() -> None:
    config = fresh_config("stage=sweep")
    # Of the same name and value, but no longer `${model.batch_size}`.
    config.job.inputs["batch_size"] = config.model.batch_size
    del config.job.sources["batch_size"]
    config.sweep.search_space = {"batch_size": {"type": "choice", "values": [0, "auto"]}}
    assert checks.faults(config) == []


@pytest.mark.parametrize(
    ("key", "values", "fault"),
    [
        ("seed", ["7", 5.0, -1], "seed: may draw -1, and seed must be from 0 to 2147483647;"),
        ("seed", [2, 2.5], "seed: may draw 2.5, and seed must be from 0 to 2147483647;"),
        ("batch_size", [{"a": 1}], "batch_size: may draw {'a': 1}, and model.batch_size must be a"),
        ("batch_size", [10**400], "batch_size.values[0]: must be a number up to 1.79769e+308,"),
        ("x", ["a\0b"], "x.values[0]: must be without a null character, got 'a\\x00b'"),
        (
            "x",
            [{"type": "randint", "upper": 3}],
            "x.values[0]: is an expression, which only a name of its own can have: "
            "{NAME: {'type': 'randint', 'upper': 3}}",
        ),
        ("checkpoints", ["a"], "checkpoints: job.outputs has a folder of that name, which the"),
    ],
)
def test_what_would_fail_every_trial_that_draws_it(key: str, values: list[Any], fault: str) -> None:
    config = fresh_config("stage=sweep")
    config.sweep.search_space = {key: {"type": "choice", "values": values}}
    (line,) = checks.faults(config)
    assert line.startswith(f"sweep.search_space.{fault}")


def test_a_mapping_with_a_type_may_be_meant_as_it_is() -> None:
    config = fresh_config("stage=sweep")
    options = [{"type": "normal", "stddev": 0.1}, {"type": "glorot"}]
    config.sweep.search_space = {"start": {"type": "choice", "values": options}}
    assert checks.faults(config) == []


def test_a_numbered_name_is_no_slip_for_another() -> None:
    config = fresh_config("stage=sweep")
    config.job.inputs["beta_1"] = 0.9
    config.sweep.search_space = {"beta_2": {"type": "uniform", "min_value": 0, "max_value": 1}}
    assert checks.faults(config) == []
    (line,) = (line for line in checks.warnings(config) if line.startswith("sweep.search_space"))
    assert "beta_2: no inputs of the job; train.py must take --beta-2" in line


def test_an_input_that_the_command_does_not_name_is_a_warning() -> None:
    config = fresh_config("stage=sweep")
    config.job.command, config.job.script = "python fire.py", None
    config.job.inputs = {"lr": 0.1}
    config.job.sources = {}
    config.sweep.search_space = {"lr": {"type": "choice", "values": [0.1, 0.2]}}
    assert checks.faults(config) == []
    (line,) = (line for line in checks.warnings(config) if line.startswith("sweep.search_space"))
    assert line == (
        "sweep.search_space.lr: job.command does not use it; "
        "the variable AZUREML_SWEEP_lr alone has it"
    )


def test_places_on_azure_are_left_to_the_workspace() -> None:
    config = fresh_config("stage=train")
    config.job.inputs = {
        "a": {"path": "azureml:digits:1"},
        "b": {"path": "https://example.com/x"},
    }
    assert checks.faults(config) == []


def test_retired_things_are_warnings_that_name_their_key() -> None:
    config = fresh_config("stage=compute")
    assert checks.warnings(config) == []
    setting(
        compute__size="STANDARD_NC6",
        env__name="AzureML-tensorflow-2.7@latest",
        endpoint__deployment__environment__name="AzureML-tensorflow-2.4@latest",
    )(config)
    size, env, endpoint = checks.warnings(config)
    assert size.startswith("compute.size: STANDARD_NC6 was retired on 2023-08-31")
    assert env.startswith("env.name: the curated environment AzureML-tensorflow-2.7@latest")
    assert endpoint.startswith("endpoint.deployment.environment.name: the curated environment")
    assert checks.faults(config) == []


def test_a_sweeps_warnings_are_shown_when_it_runs() -> None:
    space = {"learning_rate": {"type": "loguniform", "min_value": 0.001, "max_value": 0.1}}
    config = fresh_config("stage=sweep")
    config.sweep.search_space = space
    assert any("are logarithms" in line for line in checks.warnings(config))
    config.stage = Stage.train
    assert checks.warnings(config) == []


def test_distribution_and_eviction_have_cautions() -> None:
    config = fresh_config("stage=train", "+job.distribution.type=tensorflow")
    assert any("listens on every address" in line for line in checks.warnings(config))
    config = fresh_config("stage=sweep", "compute=low_priority", "compute.evict_after_epochs=2")
    assert any("trials of a sweep are not evicted" in line for line in checks.warnings(config))


def test_a_data_key_that_another_option_reads_is_a_warning() -> None:
    config = fresh_config("stage=train", "data.path=/digits", "data.url=https://example.com")
    path, url = checks.warnings(config)
    assert path == "data.path: changes nothing with data=sample; data=folder alone reads it"
    assert url.startswith("data.url: changes nothing with data=sample; data=mnist")
    config.stage = Stage.deploy
    assert checks.warnings(config) == []


def test_a_jobs_limit_is_none_of_its_trials() -> None:
    config = fresh_config("stage=sweep", "job.timeout=60")
    (line,) = checks.warnings(config)
    assert line.startswith("job.timeout: is none of the trials'")
    config.sweep.limits.trial_timeout = 60
    assert checks.warnings(config) == []


def test_a_script_is_told_which_flags_it_must_take() -> None:
    config = fresh_config("stage=sweep")
    config.sweep.search_space = {"drop_out": LR}
    (line,) = checks.warnings(config)
    assert "drop_out: no inputs of the job; train.py must take --drop-out" in line
