"""The objects that a dry run shows."""

from dataclasses import replace

import pytest

from mnist_exp.config import Stage
from mnist_exp.stages.dry_run import planned
from tests.support.configs import config
from tests.support.recorded_outputs import RecordedOutputs


@pytest.mark.parametrize("stage", ["train", "sweep"])
def test_a_resumed_run_keeps_its_name(stage: str) -> None:
    (document,) = planned(config(f"stage={stage}", f"run={stage}_20250102"))
    assert document.name == f"{stage}_20250102"
    (new,) = planned(config(f"stage={stage}"))
    assert new.name != document.name


def planned_value(outputs: RecordedOutputs, stage: Stage, *overrides: str, field: str) -> str:
    """Return a field of the last object of a dry run in the outputs folder."""
    experiment = replace(outputs.config(stage, *overrides), outputs_dir=str(outputs.path))
    return str(planned(experiment)[-1].content[field])


@pytest.mark.parametrize(
    ("words", "model"),
    [
        ([], "mine:2"),
        (["run=theirs:7"], "theirs:7"),
        (["run=azureml:theirs:7"], "theirs:7"),
        # Azure ML writes the newest version in this way.
        (["registration.name=theirs"], "theirs@latest"),
    ],
)
def test_a_dry_run_shows_the_model_to_deploy(
    outputs: RecordedOutputs, words: list[str], model: str
) -> None:
    assert planned_value(outputs, Stage.deploy, field="model") == "azureml:run-model-example:1"
    outputs.add(Stage.register, "mine:2")
    assert planned_value(outputs, Stage.deploy, *words, field="model") == f"azureml:{model}"
    # stage=all registers a new model.
    assert planned_value(outputs, Stage.all, field="model") == "azureml:run-model-example:1"


def test_a_dry_run_shows_the_job_whose_model_is_registered(outputs: RecordedOutputs) -> None:
    outputs.add(Stage.train, "training")
    outputs.add(Stage.sweep, "sweep_1")
    for name, job in (("null", "sweep_1_0"), ("sweep_1", "sweep_1_0"), ("training", "training")):
        path = planned_value(outputs, Stage.register, f"run={name}", field="path")
        assert path.startswith(f"azureml://jobs/{job}/outputs/")


TEXTS = ("mine", "uri_file", "managed", "choice")


def test_a_dry_run_shows_no_value_of_the_callers_environment(
    outputs: RecordedOutputs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MINE", "a secret")
    for name, text in zip(("NAME", "KIND", "WHO", "CHOICE"), TEXTS, strict=True):
        monkeypatch.setenv(name, text)
    experiment = outputs.config(
        Stage.all,
        "endpoint.description=${oc.env:MINE}",
        "+job.inputs.direct=${oc.env:MINE}",
        "+job.inputs.indirect=${endpoint.description}",
        "+job.inputs.nested='before ${oc.decode:${oc.env:MINE}}'",
        "+sweep.search_space.direct={type: choice, values: [plain, '${oc.env:MINE}']}",
        "+job.environment_variables.A=${oc.env:MINE}",
        "+endpoint.deployment.environment_variables.B=${oc.env:MINE}",
        "registration.name=${oc.env:NAME}",
        "+job.inputs.typed={type: '${oc.env:KIND}', path: azureml:words:1}",
        "job.identity=${oc.env:WHO}",
        "+sweep.search_space.word={type: '${oc.env:CHOICE}', values: ['${oc.env:MINE}', b]}",
    )
    # The checks create the plan of the sweep before the dry run hides the values.
    assert experiment.parsed_sweep[1] == []
    shown = {each.kind: each.content for each in planned(experiment.with_hidden_values())}
    assert "a secret" not in str(shown)
    assert "a secret" in str(planned(experiment))
    inputs = shown["train"]["inputs"]
    assert inputs["direct"] == "${oc.env:MINE}"
    assert inputs["indirect"] == "${endpoint.description}"
    # The name selects the model. A type selects a class, and has its own rules.
    assert shown["model"]["name"] == "mine"
    assert inputs["typed"]["type"] == "uri_file"
    assert shown["train"]["identity"] == {"type": "managed_identity"}
    assert shown["sweep"]["search_space"]["word"] == {
        "type": "choice",
        "values": ["${oc.env:MINE}", "b"],
    }
