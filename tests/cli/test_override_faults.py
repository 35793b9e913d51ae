"""All faults of a command that Hydra cannot compose, in one go."""

from pathlib import Path

import pytest

from mnist_exp.cli import composer
from tests.support.in_process import InProcessCli

NO_OPTION = (
    "a config group must be the name of one of its options, e.g. model=small, got a number or null"
)
FITTING = (
    "stage=train",
    "model=small",
    "compute=local",
    "model.epochs=3",
    "model.batch_size=32",
    "model.learning_rate=0.1",
    "job.experiment_name=mine",
    "endpoint.samples=3",
    "seed=3",
    "sweep.limits.max_total_trials=3",
)


def faults(cli: InProcessCli, *arguments: str) -> list[str]:
    """Return the key of each reported fault."""
    done = cli(*arguments)
    assert (done.returncode, done.stdout) == (1, "")
    assert not cli.outputs.exists()
    return [line.removeprefix("error: ").partition(":")[0] for line in done.stderr.splitlines()]


def test_a_misspelt_stage_hides_no_misspelt_key(in_process_cli: InProcessCli) -> None:
    found = faults(in_process_cli, "stage=trian", "model.epohcs=1", "seed=x")
    assert sorted(found) == ["model.epohcs", "seed", "stage"]


def test_an_override_that_fits_in_its_group_is_no_fault(
    in_process_cli: InProcessCli, tmp_path: Path
) -> None:
    (tmp_path / "my configs" / "job").mkdir(parents=True)
    text = "defaults: [tutorial, _self_]\ninputs: {momentum: 0.9}\n"
    (tmp_path / "my configs" / "job" / "mine.yaml").write_text(text, encoding="utf-8")
    # Hydra applies the key after the group, though it stands before the group.
    fitting = ["stage=train", "job.inputs.momentum=0.5", "job=mine"]
    found = faults(in_process_cli, "--config-dir", "my configs", *fitting, "modle.x=1", "seed=-1")
    assert found == ["modle", "seed"]


def test_flags_that_we_cannot_repeat_leave_the_first_fault(in_process_cli: InProcessCli) -> None:
    assert faults(in_process_cli, "-m", "stage=train", "modle.x=1", "seed=1,2") == ["modle"]


@pytest.mark.parametrize(
    ("bad", "most", "expected"),
    [
        (["model.epohcs=1"], 1, ["model.epohcs"]),
        (["job={nope: 2}"], 1, ["job.nope"]),
        (["+registration.nmae=1", "~workspace.nope"], 2, ["registration.nmae", "~workspace.nope"]),
        (["env=cnda", "registration.name=[1"], 2, ["registration.name=[1", "env"]),
        (["a,b=c:d"], 1, ["a,b=c"]),
        # The line names a key above the override.
        (["mdoel.x=1", "outputs_dir=[]"], 2, ["mdoel", "outputs_dir"]),
        # Hydra's error does not name the group. A search finds an earlier bad override first.
        (["outputs_dir=[]", "data=3"], 12, ["outputs_dir", NO_OPTION]),
        (["data=3", "registration.nmae=1"], 7, [NO_OPTION, "registration.nmae"]),
    ],
)
def test_few_compositions_find_every_bad_override(
    in_process_cli: InProcessCli,
    monkeypatch: pytest.MonkeyPatch,
    bad: list[str],
    most: int,
    expected: list[str],
) -> None:
    calls = []
    compose = composer.compose

    def counted(*arguments: object, **keywords: object) -> object:
        calls.append(arguments)
        return compose(*arguments, **keywords)

    monkeypatch.setattr(composer, "compose", counted)
    found = faults(in_process_cli, *bad, *FITTING)
    assert sorted(found) == sorted(expected)
    assert len(calls) <= most


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("train", ["run mnist-exp stage=train"]),
        ("stage=trian model=small", ["run mnist-exp stage=train model=small"]),
        ("stage=train epochs=5", ["run mnist-exp stage=train model.epochs=5"]),
        (
            "stage=train job.inputs.learning-rate=1",
            ["run mnist-exp stage=train job.inputs.learning_rate=1"],
        ),
        ("stage=train model=wid", ["run mnist-exp stage=train model=wide"]),
        ("-m trian lr=0.1,0.2", ["run mnist-exp -m stage=train lr=0.1,0.2"]),
        ("--config-dir . stage=train lr=1", ["run mnist-exp --config-dir . stage=train model.lea"]),
        ("train epochs=5", ["write stage=train", "run mnist-exp stage=train model.epochs=5"]),
        ("train seed=-1", ["write stage=train", "got -1"]),
        ("train epochs=x", ["write stage=train", "write model.epochs=x", "got x"]),
        ("stage=train +registration.nmae=1", ["(did you mean name?); registration has name"]),
        (
            "stage=train lr=1 job.environment_variables.KEY=secret",
            ["model.learning_rate=1 'job.environment_variables.KEY=${oc.env:KEY}'"],
        ),
    ],
)
def test_a_fault_names_the_command_that_was_meant(
    in_process_cli: InProcessCli, words: str, expected: list[str]
) -> None:
    lines = in_process_cli(*words.split()).stderr.splitlines()
    assert len(lines) == len(expected)
    for line, text in zip(lines, expected, strict=True):
        assert text in line
