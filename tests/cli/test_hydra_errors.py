"""Every fault that Hydra or OmegaConf finds is one line."""

import shlex
from pathlib import Path

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from mnist_exp.cli.error_output import report_errors
from mnist_exp.cli.hydra_errors import quoted_override
from tests.support.configs import config
from tests.support.in_process import InProcessCli

MESSAGES: dict[str, tuple[list[str], str]] = {
    "stage": (
        ["stage=trian"],
        "stage: must be one of compute, run, import, train, sweep, register, deploy, invoke, page, "
        "status, logs, cancel, runs, compare, report, prune, cleanup, doctor, all, got trian",
    ),
    "option": (
        ["workspace=aws"],
        "workspace: must be one of azure, local, got aws; an option of your own is "
        "FOLDER/workspace/aws.yaml, with --config-dir FOLDER",
    ),
    "option nearly right": (["model=tutoral"], "got tutoral (did you mean tutorial?)"),
    "group": (["modle=small"], "modle: no such key (did you mean model?); the config has stage,"),
    "key": (
        ["model.lerning_rate=1"],
        "model.lerning_rate: no such key (did you mean learning_rate?); model has first_layer",
    ),
    "key of a group": (
        ["optimiser=adam"],
        "optimiser: no such key (did you mean model.optimizer?)",
    ),
    "key of several groups": (
        ["name=x"],
        "name: no such key; write one of compute.name, env.name, registration.name, endpoint.name",
    ),
    "initials of a key": (
        ["model.fln=1"],
        "no such key (did you mean first_layer_neurons?); model",
    ),
    "launcher of a plugin": (
        ["hydra/launcher=joblib"],
        "got joblib; to add joblib, run pip install hydra-joblib-launcher",
    ),
    "key at the top": (["sed=1"], "sed: no such key (did you mean seed?); the config has"),
    "key of a strange group": (["early.x=1"], "early: no such key; the config has"),
    "nested key": (
        ["sweep.limits.max_trials=5"],
        "sweep.limits.max_trials: no such key (did you mean max_total_trials?)",
    ),
    "type of a value of the environment": (
        ["model.epochs=${oc.env:PATH}"],
        "model.epochs: must be a whole number, got another value from ${oc.env:PATH}",
    ),
    "choice from the environment": (
        ["job.identity=${oc.env:PATH}"],
        "must be one of user, managed or null, got another value from ${oc.env:PATH}",
    ),
    "key in a mapping": (["job={nope: 2}"], "job.nope: no such key; job has experiment_name"),
    "added key": (["+model.epoch=3"], "model.epoch: no such key (did you mean epochs?)"),
    "forced key": (["++model.epoch=3"], "model.epoch: no such key (did you mean epochs?)"),
    "added key at the top": (["+epochs=3"], "epochs: no such key (did you mean model.epochs?)"),
    "key of a free mapping": (
        ["job.inputs.momentum=1"],
        "job.inputs.momentum: no such key; add it with +job.inputs.momentum=...",
    ),
    "misspelt key of a free mapping": (
        ["job.inputs.learning-rate=1"],
        "no such key (did you mean learning_rate?); add it with +job.inputs.learning-rate=...",
    ),
    "field of an expression": (
        ["sweep.search_space.learning_rate.q=1"],
        "add it with +sweep.search_space.learning_rate.q=...",
    ),
    "another expression": (
        ["sweep.search_space.learning_rate={type: choice, values: [1]}"],
        "sweep.search_space.learning_rate.values: no such key; {...} keeps the existing keys of "
        "sweep.search_space.learning_rate; to replace all keys, write "
        "'~sweep.search_space.learning_rate' "
        "'+sweep.search_space.learning_rate={...}'",
    ),
    "another space": (
        ["sweep.search_space={learning_rate: {type: choice, values: [1]}}"],
        "with 'sweep.search_space={}', and add each key with '+sweep.search_space.KEY=...'",
    ),
    "whole number": (["model.epochs=many"], "model.epochs: must be a whole number, got many"),
    "fraction": (["model.epochs=1.5"], "model.epochs: must be a whole number, got 1.5"),
    "nothing": (["model.epochs="], "model.epochs: must be a whole number, got ''"),
    "list": (["model.epochs=[1]"], "model.epochs: must be a whole number, got [1]"),
    "mapping": (["seed={a: 1}"], "seed: must be a whole number, got {a: 1}"),
    "null": (["model.epochs=null"], "model.epochs: must be a whole number, got null"),
    "number": (["model.learning_rate=x"], "model.learning_rate: must be a number, got x"),
    "truth": (["endpoint.reuse=maybe"], "endpoint.reuse: must be true or false, got maybe"),
    "text": (["outputs_dir=null"], "outputs_dir: must be text, got null"),
    "optional number": (
        ["endpoint.port=x"],
        "endpoint.port: must be a whole number or null, got x",
    ),
    "enum": (
        ["compute.tier=fast"],
        "compute.tier: must be one of dedicated, low_priority, got fast",
    ),
    "optional enum": (
        ["job.identity=me"],
        "job.identity: must be one of user, managed or null, got me",
    ),
    "value of a mapping": (
        ["endpoint.traffic.a=x"],
        "endpoint.traffic.a: must be a whole number, got x",
    ),
    "value in a mapping": (
        ["endpoint.traffic={a: x}"],
        "endpoint.traffic.a: must be a whole number, got x",
    ),
    "number for a mapping": (["endpoint.traffic=5"], "endpoint.traffic: must be a mapping, got 5"),
    "number for keys": (["sweep.limits=5"], "sweep.limits: must be a group of keys, got 5"),
    "null for keys": (["sweep.limits=null"], "sweep.limits: must be a group of keys, got null"),
    "key below a null": (
        ["job.command.x=1"],
        "job.command: must be text or null, which cannot have keys, got job.command.x=1",
    ),
    "null for a group": (["model=null"], "a config group must be the name of one of its options"),
    "bracket": (["model.epochs=[1"], "model.epochs=[1: not a valid override; write key=value"),
    "no equals sign": (["train"], "train: must be written as key=value"),
    "several values": (
        ["model=small,wide"],
        "model=small,wide: several values need --multirun (-m)",
    ),
    "added again": (
        ["+model.epochs=3"],
        "+model.epochs: is already set; write model.epochs=... without the +",
    ),
    "deleted but not there": (["~model.nope"], "~model.nope: no such key to delete"),
    "mapping deleted": (
        ["~sweep.early_termination"],
        "~sweep.early_termination: cannot be deleted, only set; write sweep.early_termination={}",
    ),
    "text with an equals sign": (
        ["outputs_dir=a=b"],
        "and quote a value that contains spaces, commas, braces or = : 'outputs_dir=\"a=b\"'",
    ),
    "deleted but needed": (
        ["~model.epochs"],
        "~model.epochs: cannot be deleted, only set; write model.epochs=...",
    ),
    "missing value": (
        ["registration.name=???"],
        "registration.name: must be given; add registration.name=...",
    ),
    "missing value that others use": (
        ["model.epochs=???"],
        "model.epochs: must be given; add model.epochs=...",
    ),
    "Azure ML's own reference": (
        ["job.script=null", "job.command=python t.py ${{inputs.x}}"],
        "job.command: ${{...}} is Azure ML's spelling, which Hydra would read as an interpolation; "
        "leave out the dollar sign",
    ),
    "Azure ML's own reference in quotes": (
        ['job.command="t ${{inputs.x}}"'],
        "job.command: ${{...}} is Azure ML's spelling",
    ),
    "interpolation": (["seed=${nope}"], "seed: Interpolation key 'nope' not found"),
    "variable that is not set": (
        ["seed=${oc.env:NO_SUCH_VARIABLE}"],
        "Environment variable 'NO_SUCH_VARIABLE' not found",
    ),
}


@pytest.mark.parametrize(("overrides", "expected"), MESSAGES.values(), ids=MESSAGES.keys())
def test_a_fault_is_one_line(
    overrides: list[str], expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    stage = [] if overrides[0].startswith("stage") else ["stage=all"]
    with report_errors() as outcome:
        config(*stage, *overrides)
    assert outcome.exit_code == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    (line,) = printed.err.splitlines()
    assert_helps(line, expected)


def test_a_fault_is_one_line_under_a_debugger(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # OmegaConf then works as if a trace function were set (`sys.settrace`).
    monkeypatch.setenv("OC_CAUSE", "1")
    test_a_fault_is_one_line(*MESSAGES["interpolation"], capsys)


def assert_helps(line: str, expected: str) -> None:
    assert line.startswith("error: ")
    assert expected in line
    for internal in ("full_key", "object_type", "DictConfig", "ConfigStore", "HYDRA_FULL_ERROR"):
        assert internal not in line


FILES = {
    "misspelt key": (
        "model",
        "defaults: [tutorial, _self_]\nlerning_rate: 0.1",
        "model.lerning_rate: no such key (did you mean learning_rate?); model has first_layer",
    ),
    "wrong type": (
        "model",
        "defaults: [tutorial, _self_]\nepochs: many",
        "model.epochs: must be a whole number, got many (in model/mine.yaml)",
    ),
    "Azure ML's own reference": (
        "job",
        "defaults: [tutorial, _self_]\nscript: null\ncommand: t ${{inputs.x}}",
        "command: ${{...}} is Azure ML's spelling, which Hydra would read as an interpolation",
    ),
    "interpolation that is not closed": (
        "job",
        'defaults: [tutorial, _self_]\ndisplay_name: "${seed"',
        "display_name: not a valid ${...}",
    ),
    "list": ("job", "- a\n- b", "job/mine.yaml: must be a mapping of keys, got a list or a value"),
    "broken YAML": ("model", "a: [1\nb: 2", "a config file is not valid YAML"),
}


@pytest.mark.parametrize(("group", "text", "expected"), FILES.values(), ids=FILES.keys())
def test_a_fault_in_a_users_file_is_one_line(
    group: str, text: str, expected: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / group).mkdir()
    (tmp_path / group / "mine.yaml").write_text(text, encoding="utf-8")
    with report_errors() as outcome:
        config("stage=all", f"{group}=mine", config_dir=tmp_path)
    assert outcome.exit_code == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert_helps(line, expected)


def test_every_missing_value_is_reported(capsys: pytest.CaptureFixture[str]) -> None:
    with report_errors():
        config("registration.name=???")
    assert capsys.readouterr().err.splitlines() == [
        "error: registration.name: must be given; add registration.name=...",
        "error: stage: must be one of compute, run, import, train, sweep, register, deploy, "
        "invoke, page, status, logs, cancel, runs, compare, report, prune, cleanup, doctor, all; "
        "add e.g. stage=all, or run mnist-exp --help",
    ]


def test_every_unknown_key_is_reported(capsys: pytest.CaptureFixture[str]) -> None:
    with report_errors():
        config("stage=all", "+model.a=1", "+job.b=2", "+c=3")
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(":")[1].strip() for line in lines] == ["model.a", "job.b", "c"]


@pytest.mark.parametrize(
    "overrides",
    [
        ["+job.inputs.momentum=0.9"],
        ["job.environment_variables.A=1"],
        ["endpoint.traffic={tff-blue: 100}"],
        ["sweep=grid", "sweep.early_termination.type=bandit"],
        ["+sweep.search_space.x={type: choice, values: [1]}"],
        ["job.identity=null"],
        ["sweep.sampling_algorithm=random"],
        ["sweep.sampling_algorithm.logbase=10"],
        ["compute=cpu_cluster", "compute.tier=low_priority"],
    ],
)
def test_valid_overrides_pass(overrides: list[str]) -> None:
    config("stage=all", *overrides)


def test_a_file_that_is_not_utf8_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "job").mkdir()
    (tmp_path / "job" / "mine.yaml").write_bytes(b"experiment_name: caf\xe9\n")
    with report_errors() as outcome:
        config("stage=all", "job=mine", config_dir=tmp_path)
    assert outcome.exit_code == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert_helps(line, "a config file is not UTF-8 text")


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        (["sweep.search_space={}"], set()),
        (["sweep.search_space={ }", "+sweep.search_space.x={type: choice, values: [1]}"], {"x"}),
        (
            [
                "sweep.search_space={}",
                "+sweep.search_space.x={type: choice, values: [1]}",
                "sweep.search_space.batch_size.values=[8]",
            ],
            {"x", "batch_size"},
        ),
        (
            [
                "sweep.search_space={}",
                "+sweep.search_space={x: {type: choice, values: [1]}}",
                "+sweep.search_space.y={type: choice, values: [1]}",
                "~sweep.search_space.y",
            ],
            {"x"},
        ),
    ],
)
def test_an_emptied_mapping_has_only_later_keys(overrides: list[str], expected: set[str]) -> None:
    assert set(config("stage=sweep", *overrides).sweep.search_space) == expected


def test_early_termination_can_be_switched_off() -> None:
    assert config("stage=sweep", "sweep.early_termination={}").sweep.early_termination == {}
    learning_rate = "sweep.search_space.learning_rate={type: choice, values: [0.1]}"
    space = config("stage=sweep", "sweep.search_space={}", f"+{learning_rate}").sweep.search_space
    assert space == {"learning_rate": {"type": "choice", "values": [0.1]}}
    assert config("stage=sweep", "++job.outputs={}").job.outputs == {}


def test_references_on_the_command_line_are_resolved() -> None:
    found = config("stage=train", "job.inputs={}", "+job.inputs.lr=${model.learning_rate}")
    assert found.job.inputs == {"lr": found.model.learning_rate}


@pytest.mark.parametrize("value", ["it's", 'say "x"', "a, b", "{x}", "back\\", "a=b", "$HOME `id`"])
def test_a_proposed_override_can_be_pasted(value: str) -> None:
    (word,) = shlex.split(quoted_override("job.inputs.note", value))
    override = OverridesParser.create().parse_override(word)
    assert (override.key_or_group, override.value()) == ("job.inputs.note", value)


def test_a_broken_override_is_reported_with_a_proposal_that_works(
    in_process_cli: InProcessCli,
) -> None:
    done = in_process_cli("stage=train", "+job.inputs.note=it's")
    (line,) = done.stderr.splitlines()
    (word,) = shlex.split(line.partition("braces or = : ")[2])
    (fault,) = in_process_cli("stage=train", word, "seed=-1").stderr.splitlines()
    assert fault.startswith("error: seed: ")
