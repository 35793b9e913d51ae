"""What a command goes on with: the config that was kept, and the little that may change."""

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from mnist_exp.cli.kept_config import with_kept_config
from mnist_exp.config import ExperimentConfig, Stage
from mnist_exp.errors import ConfigError, NotFoundError
from mnist_exp.records import write_json
from mnist_exp.stages.earlier_records import CONFIG_NAME
from mnist_exp.status import JobStatus
from tests.stages.bench import Bench
from tests.support.configs import config, fresh_config

GoOn = Callable[..., ExperimentConfig]
BEGUN = ("model.batch_size=4", "model.epochs=60", "+job.environment_variables.N='1'")


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """An outputs folder without records."""
    return Bench(tmp_path / "outputs")


@pytest.fixture
def begin(bench: Bench) -> Callable[..., None]:
    """Leaves a sweep or training that has not ended, with the config it was begun with."""

    def leave(stage: Stage, *overrides: str, change: Callable[[Any], None] | None = None) -> None:
        bench.add(stage, "run_1", JobStatus.RUNNING)
        _, folder = next(bench.index.newest_first(stage))
        kept = fresh_config(f"stage={stage.value}", *overrides)
        if change:
            change(kept)
        write_json(folder / CONFIG_NAME, asdict(kept))

    return leave


@pytest.fixture
def go_on(bench: Bench) -> GoOn:
    """Goes on with it as a command does that says this besides."""

    def with_words(stage: Stage, *overrides: str) -> ExperimentConfig:
        words = [f"stage={stage.value}", "run=run_1", *overrides]
        now = config(*words)
        now.outputs_dir = str(bench.outputs)
        return with_kept_config(now, words)

    return with_words


@pytest.mark.parametrize("stage", [Stage.sweep, Stage.train])
@pytest.mark.parametrize("again", [(), BEGUN, ("job=tutorial", "model.batch_size=4")])
def test_who_repeats_what_it_was_begun_with_changes_nothing(
    begin: Callable[..., None], go_on: GoOn, stage: Stage, again: tuple[str, ...]
) -> None:
    begin(stage, *BEGUN)
    found = go_on(stage, *again)
    assert (found.model.batch_size, found.model.epochs, found.job.inputs["epochs"]) == (4, 60, 60)
    assert found.job.environment_variables["N"] == "1"
    assert (found.stage, found.run) == (stage, "run_1")


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        (["seed=3"], ["seed: train run_1 goes on with what it was begun with, 42, got 3 (seed=3)"]),
        (
            ["model.learning_rate=0.5", "seed=3", "model.epochs=70"],
            ["model.learning_rate: train run_1", "seed: train run_1"],
        ),
        (["job.primary_metric=loss"], ["(job.primary_metric=loss); leave job.primary_metric out"]),
        (["model=wide"], ["leave model out, or leave run= and resume= out to begin another; only"]),
        # What is chosen as a whole is told of by the first thing that it changes.
        (["profile=azure"], [" (profile=azure); leave profile out"]),
        (["~job.outputs.checkpoints"], [", got null (~job.outputs.checkpoints); leave"]),
    ],
)
def test_what_would_change_it_is_refused_by_its_words(
    begin: Callable[..., None], go_on: GoOn, overrides: list[str], told: list[str]
) -> None:
    begin(Stage.train)
    with pytest.raises(ConfigError) as caught:
        go_on(Stage.train, *overrides)
    assert len(caught.value.lines) == len(told)
    for line, part in zip(sorted(caught.value.lines), told, strict=True):
        assert part in line


@pytest.mark.parametrize(
    ("overrides", "variables"),
    [
        ([], {"N": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}),
        (["+job.environment_variables.Z=z"], {"N": "1", "TF_CPP_MIN_LOG_LEVEL": "3", "Z": "z"}),
        (["~job.environment_variables.TF_CPP_MIN_LOG_LEVEL"], {"N": "1"}),
        (["job.environment_variables={}", "+job.environment_variables.Z=z"], {"Z": "z"}),
        (["job.environment_variables={}"], {}),
        # A default that the command did not say is nothing that it wants.
        (["job=tutorial", "model.epochs=70"], {"N": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}),
    ],
)
def test_the_variables_of_a_training_may_change(
    begin: Callable[..., None], go_on: GoOn, overrides: list[str], variables: dict[str, str]
) -> None:
    begin(Stage.train, *BEGUN)
    assert go_on(Stage.train, *overrides).job.environment_variables == variables


def test_the_length_and_the_compute_of_a_training_may_change(
    begin: Callable[..., None], go_on: GoOn
) -> None:
    def twice(kept: ExperimentConfig) -> None:
        kept.job.inputs["passes"] = kept.model.epochs
        kept.job.sources["passes"] = "model.epochs"

    begin(Stage.train, *BEGUN, change=twice)
    words = ("model.epochs=70", "job.timeout=9", "compute=low_priority", "+job.inputs.passes=60")
    found = go_on(Stage.train, "compute.evict_after_epochs=2", *words)
    assert (found.model.epochs, found.job.timeout, found.model.batch_size) == (70, 9, 4)
    # Every input that follows the length.
    assert (found.job.inputs["epochs"], found.job.inputs["passes"]) == (70, 70)
    assert (found.compute.name, found.compute.evict_after_epochs) == ("low-priority", 2)


def test_a_sweep_may_not_change_at_all(begin: Callable[..., None], go_on: GoOn) -> None:
    begin(Stage.sweep)
    with pytest.raises(ConfigError, match=r"epochs: sweep run_1 goes on with .*, 20, got 70"):
        go_on(Stage.sweep, "model.epochs=70")


@pytest.mark.parametrize("text", ["echo ${HOME}", "\\${x}", "a\\\\${b}", "${{inputs.x}}", "${"])
def test_what_was_resolved_once_is_not_resolved_again(
    begin: Callable[..., None], go_on: GoOn, text: str
) -> None:
    def change(kept: ExperimentConfig) -> None:
        kept.job.command = text
        kept.job.environment_variables["P"] = text

    begin(Stage.train, change=change)
    found = go_on(Stage.train)
    assert (found.job.command, found.job.environment_variables["P"]) == (text, text)


@pytest.mark.parametrize("text", ["no json", "[]", '{"zzz": 1}', '{"seed": "x"}'])
def test_a_config_that_cannot_be_read_is_one_line(
    bench: Bench, begin: Callable[..., None], go_on: GoOn, text: str
) -> None:
    begin(Stage.train)
    _, folder = next(bench.index.newest_first(Stage.train))
    (folder / CONFIG_NAME).write_text(text, encoding="utf-8")
    with pytest.raises(NotFoundError, match="cannot be read from") as caught:
        go_on(Stage.train)
    assert "\n" not in str(caught.value)


def test_a_run_of_an_earlier_version_goes_on_with_what_is_said(bench: Bench, go_on: GoOn) -> None:
    bench.add(Stage.train, "run_1", JobStatus.RUNNING)
    assert go_on(Stage.train, "model.epochs=70").model.epochs == 70
