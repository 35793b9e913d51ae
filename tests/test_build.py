import os
from pathlib import Path

import pytest

from mnist_exp.build import (
    command_job,
    deployment_spec,
    endpoint_spec,
    model_spec,
    script_command,
    sweep_job,
)
from mnist_exp.config import (
    ArgumentStyle,
    ComputeTier,
    ComputeType,
    DataConfig,
    DataType,
    EnvType,
    ExperimentConfig,
    Identity,
)
from mnist_exp.errors import ConfigError
from mnist_exp.specs import CommandJob, ModelSpec, OutputSpec, PathInput
from mnist_exp.sweeps.space.expressions import Choice, LogUniform
from mnist_exp.sweeps.stopping.policies import BanditPolicy
from mnist_exp.templates import references
from tests.support.configs import fresh_config
from tests.support.paths import REPOSITORY


@pytest.fixture
def tutorial() -> ExperimentConfig:
    return fresh_config("stage=all")


def test_the_tutorials_job(tutorial: ExperimentConfig) -> None:
    job = command_job(tutorial, "train_1")
    assert job.name == "train_1"
    assert job.experiment_name == "tf-dnn-image-classify"
    assert job.display_name == "tensorflow-classify-mnist-digit-images-with-dnn"
    assert job.code == REPOSITORY / "trainer"
    assert job.quoted
    assert job.identity is Identity.user
    values = {name: job.inputs[name] for name in ("batch_size", "learning_rate", "epochs", "seed")}
    assert values == {"batch_size": 64, "learning_rate": 0.01, "epochs": 20, "seed": 42}
    assert job.inputs["first_layer_neurons"] == 256
    assert job.inputs["second_layer_neurons"] == 128
    assert job.inputs["data_folder"] == PathInput(DataConfig(DataType.sample))
    assert job.command.startswith("python train.py --data-folder {{inputs.data_folder}} ")
    assert "--first-layer-neurons {{inputs.first_layer_neurons}}" in job.command
    assert {name for kind, name in references(job.command) if kind == "inputs"} == set(job.inputs)


def test_the_tutorials_sweep(tutorial: ExperimentConfig) -> None:
    job = sweep_job(tutorial, "sweep_1")
    assert job.search_space == {
        "batch_size": Choice((32, 64, 128)),
        "first_layer_neurons": Choice((16, 64, 128, 256, 512)),
        "second_layer_neurons": Choice((16, 64, 256, 512)),
        "learning_rate": LogUniform(-6, -1),
    }
    assert (job.objective.primary_metric, job.objective.goal.value) == (
        "validation_acc",
        "maximize",
    )
    concurrent = min(4, len(os.sched_getaffinity(0)))
    assert (job.limits.max_total_trials, job.limits.max_concurrent_trials) == (8, concurrent)
    assert (job.sampling.type.value, job.sampling.seed) == ("random", 42)
    assert job.early_termination == BanditPolicy(slack_factor=0.1, evaluation_interval=2)
    # Nothing of the job is lost on the way.
    assert job.trial.experiment_name == "tf-dnn-image-classify"
    assert job.trial.code == REPOSITORY / "trainer"


def test_a_search_space_key_replaces_the_input_of_that_name(tutorial: ExperimentConfig) -> None:
    trial = sweep_job(tutorial, "sweep_1").trial
    single = command_job(tutorial, "train_1")
    swept = {"batch_size", "first_layer_neurons", "second_layer_neurons", "learning_rate"}
    assert set(trial.inputs) == set(single.inputs) - swept
    assert references(trial.command) == {
        ("search_space" if name in swept else kind, name): required
        for (kind, name), required in references(single.command).items()
    }


def test_a_search_space_key_of_no_input_is_added_to_a_scripts_command(
    tutorial: ExperimentConfig,
) -> None:
    tutorial.sweep.search_space = {"drop_out": {"type": "choice", "values": [0.1]}}
    trial = sweep_job(tutorial, "sweep_1").trial
    assert "--drop-out {{search_space.drop_out}}" in trial.command
    assert "drop_out" not in trial.inputs


def test_a_users_command_is_not_changed(tutorial: ExperimentConfig) -> None:
    tutorial.job.script, tutorial.job.command = None, "fit {{inputs.lr}} $[[--mu {{inputs.mu}}]]"
    tutorial.job.inputs = {"lr": 0.1}
    tutorial.sweep.search_space = {"lr": {"type": "choice", "values": [0.1]}}
    single = command_job(tutorial, "train_1")
    assert (single.command, single.quoted) == ("fit {{inputs.lr}} $[[--mu {{inputs.mu}}]]", False)
    trial = sweep_job(tutorial, "sweep_1").trial
    assert (trial.command, trial.quoted) == (
        "fit {{search_space.lr}} $[[--mu {{inputs.mu}}]]",
        False,
    )
    assert trial.inputs == {}


def test_a_faulty_sweep_is_an_error(tutorial: ExperimentConfig) -> None:
    tutorial.sweep.limits.max_total_trials = 0
    tutorial.sweep.search_space = {}
    with pytest.raises(ConfigError) as caught:
        sweep_job(tutorial, "sweep_1")
    assert len(caught.value.faults) == 2


def test_inputs_of_every_kind(tutorial: ExperimentConfig) -> None:
    tutorial.job.inputs = {
        "flag": True,
        "name": "a b",
        "file": {"type": "uri_file", "path": "/data/x.csv", "mode": "download"},
        "asset": {"path": "azureml:digits:1"},
        "address": {"path": "https://example.com/x"},
    }
    tutorial.job.outputs = {"model": None, "table": {"type": "uri_file", "mode": "upload"}}
    job = command_job(tutorial, "train_1")
    assert job.inputs == {
        "flag": True,
        "name": "a b",
        "file": PathInput(Path("/data/x.csv"), "uri_file", "download"),
        "asset": PathInput("azureml:digits:1"),
        "address": PathInput("https://example.com/x"),
    }
    assert job.outputs == {"model": OutputSpec(), "table": OutputSpec("uri_file", "upload")}
    assert "--model {{outputs.model}}" in job.command


def test_a_job_without_a_display_name_shows_its_name(tutorial: ExperimentConfig) -> None:
    tutorial.job.display_name = None
    assert command_job(tutorial, "train_1").display_name == "train_1"


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        ((), ""),
        (("outputs_dir=/x", "seed=1", "seed=2"), "seed=2 (a1b2c3)"),
        (("model=wide", "model.learning_rate=0.5"), "wide learning_rate=0.5 (a1b2c3)"),
        (("+job.inputs.momentum=0.9",), "momentum=0.9 (a1b2c3)"),
        (("seed=1", "job.display_name=mine"), "mine"),
        (("job.environment_variables.TOKEN=secret",), "TOKEN=${oc.env:TOKEN} (a1b2c3)"),
    ],
)
def test_the_name_of_an_mlflow_run_says_what_was_changed(
    overrides: tuple[str, ...], expected: str
) -> None:
    config = fresh_config("stage=train", *overrides)
    assert command_job(config, "train_20261201_120346_a1b2c3").run_name == expected


def test_the_name_of_an_mlflow_run_is_bounded() -> None:
    many = [f"+job.inputs.number_{index}={index}" for index in range(20)]
    assert len(command_job(fresh_config("stage=train", *many), "train_1").run_name) < 110


def test_script_command() -> None:
    assert script_command("my train.py", {"a_b": 1, "c.d_e": 1}, {"model_dir": 1}) == (
        "python 'my train.py' --a-b {{inputs.a_b}} --c.d-e {{inputs.c.d_e}} "
        "--model-dir {{outputs.model_dir}}"
    )


@pytest.mark.parametrize(
    ("style", "arguments"),
    [
        ("underscores", "--a_b {{inputs.a_b}} --c=" + "{{inputs.c}}"),
        ("key_value", "a_b={{inputs.a_b}} c={{inputs.c}}"),
    ],
)
def test_the_style_of_arguments(style: str, arguments: str) -> None:
    command = script_command("t.py", {"a_b": 1, "c": "-5e-05"}, {}, ArgumentStyle(style))
    assert command == f"python t.py {arguments}"


def test_a_drawn_value_may_begin_with_a_minus_sign(tutorial: ExperimentConfig) -> None:
    tutorial.sweep.search_space = {
        "note": {"type": "choice", "values": ["a", "-b"]},
        "shift": {"type": "uniform", "min_value": -1, "max_value": 1},
        "epochs": {"type": "choice", "values": [1, 2]},
    }
    found = sweep_job(tutorial, "sweep_1").trial.command
    for part in ("--note={{search_space.note}}", "--shift={{search_space.shift}}"):
        assert part in found
    assert "--epochs {{search_space.epochs}}" in found


def test_the_tutorials_cluster() -> None:
    spec = fresh_config("stage=compute", "compute=gpu_cluster").compute
    assert (spec.type, spec.name, spec.size) == (
        ComputeType.amlcompute,
        "gpu-cluster",
        "STANDARD_NC4AS_T4_V3",
    )
    assert (spec.min_instances, spec.max_instances, spec.idle_time_before_scale_down) == (0, 4, 180)
    assert spec.tier is ComputeTier.dedicated


def test_the_tutorials_model(tutorial: ExperimentConfig) -> None:
    assert model_spec(tutorial, "sweep_1_3") == ModelSpec(
        name="run-model-example",
        job="sweep_1_3",
        path="outputs/model",
        type="custom_model",
        description=tutorial.registration.description,
    )


def test_the_tutorials_endpoint(tutorial: ExperimentConfig) -> None:
    endpoint = endpoint_spec(tutorial, "tff-dnn-endpoint-00c0ffee")
    assert (endpoint.name, endpoint.auth_mode.value) == ("tff-dnn-endpoint-00c0ffee", "key")
    assert endpoint.traffic == {}
    deployment = deployment_spec(tutorial, endpoint.name, "run-model-example:3")
    assert (deployment.name, deployment.endpoint) == ("tff-blue", endpoint.name)
    assert (deployment.code, deployment.scoring_script) == (str(REPOSITORY / "trainer"), "score.py")
    assert (deployment.instance_type, deployment.instance_count) == ("Standard_DS3_v2", 1)
    assert deployment.model == "run-model-example:3"
    assert deployment.request_settings.request_timeout_ms == 5000
    assert deployment.environment.type is EnvType.local
    live = fresh_config("stage=deploy", "endpoint.traffic={tff-blue: 100}")
    assert endpoint_spec(live, "x").traffic == {}


def test_data_of_a_folder() -> None:
    config = fresh_config("stage=train", "data=folder", "data.path=/digits")
    assert config.data == DataConfig(DataType.folder, "/digits")


def test_building_changes_nothing(tutorial: ExperimentConfig) -> None:
    first = (command_job(tutorial, "a"), sweep_job(tutorial, "b"))
    assert (command_job(tutorial, "a"), sweep_job(tutorial, "b")) == first
    assert isinstance(first[0], CommandJob)
    assert tutorial == fresh_config("stage=all")
