"""The config of a command that resumes a job: the kept config, and the keys that may change."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mnist_exp.cli.display import RichDisplay
from mnist_exp.cli.kept_config import with_kept_config
from mnist_exp.config import ExperimentConfig, Stage
from mnist_exp.errors import ConfigError, NotFoundError
from mnist_exp.experiment import Experiment
from mnist_exp.records import write_json
from mnist_exp.stages.context import StageContext
from mnist_exp.stages.resume import CONFIG_NAME, hide_kept_values, keep_config
from mnist_exp.status import JobStatus
from mnist_exp.workspaces.base import Workspace
from tests.support.configs import config, fresh_config
from tests.support.recorded_outputs import RecordedOutputs

Resume = Callable[..., ExperimentConfig]
#: A variable in the default config.
NAME = "TF_CPP_MIN_LOG_LEVEL"
FIRST_OVERRIDES = ("model.batch_size=4", "model.epochs=60", "+job.environment_variables.N='1'")


@pytest.fixture
def outputs(tmp_path: Path) -> RecordedOutputs:
    """Return an outputs folder without records."""
    return RecordedOutputs(tmp_path / "outputs")


@pytest.fixture
def submit(outputs: RecordedOutputs) -> Callable[..., None]:
    """Return a function that writes an unfinished job with its kept config."""

    def write(stage: Stage, *overrides: str, change: Callable[[Any], None] | None = None) -> None:
        outputs.add(stage, "run_1", JobStatus.RUNNING)
        _, folder = next(outputs.index.newest_first(stage))
        kept = fresh_config(f"stage={stage.value}", *overrides)
        if change:
            change(kept)
        write_json(folder / CONFIG_NAME, kept.content())

    return write


@pytest.fixture
def resume(outputs: RecordedOutputs) -> Resume:
    """Return a function that resumes the job with more overrides."""

    def resume_with(stage: Stage, *overrides: str) -> ExperimentConfig:
        words = [f"stage={stage.value}", "run=run_1", *overrides]
        now = config(*words)
        now.outputs_dir = str(outputs.path)
        return with_kept_config(now, words)

    return resume_with


@pytest.mark.parametrize("stage", [Stage.sweep, Stage.train])
@pytest.mark.parametrize("repeated", [(), FIRST_OVERRIDES, ("job=tutorial", "model.batch_size=4")])
def test_repeating_the_first_overrides_changes_nothing(
    submit: Callable[..., None], resume: Resume, stage: Stage, repeated: tuple[str, ...]
) -> None:
    submit(stage, *FIRST_OVERRIDES)
    found = resume(stage, *repeated)
    assert (found.model.batch_size, found.model.epochs, found.job.inputs["epochs"]) == (4, 60, 60)
    assert found.job.environment_variables["N"] == "1"
    assert (found.stage, found.run) == (stage, "run_1")


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        (
            ["seed=3"],
            ["must stay 42, got 3; train run_1 was submitted with 42; remove the override seed=3,"],
        ),
        (
            ["model.learning_rate=0.5", "seed=3", "model.epochs=70"],
            ["model.learning_rate: must stay 0.01,", "seed: must stay 42"],
        ),
        (["job.primary_metric=loss"], ["remove the override job.primary_metric=loss"]),
        (
            ["model=wide"],
            ["override model=wide, or remove run= and resume= to start another job; only"],
        ),
        # A choice of a config group is reported by the first key that it changes.
        (["profile=azure"], ["remove the override profile=azure,"]),
        (["~job.outputs.checkpoints"], ["}; remove the override ~job."]),
    ],
)
def test_an_override_that_changes_the_job_is_refused(
    submit: Callable[..., None], resume: Resume, overrides: list[str], expected: list[str]
) -> None:
    submit(Stage.train)
    with pytest.raises(ConfigError) as caught:
        resume(Stage.train, *overrides)
    assert len(caught.value.lines) == len(expected)
    for line, part in zip(sorted(caught.value.lines), expected, strict=True):
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
def test_the_environment_variables_of_a_training_may_change(
    submit: Callable[..., None], resume: Resume, overrides: list[str], variables: dict[str, str]
) -> None:
    submit(Stage.train, *FIRST_OVERRIDES)
    assert resume(Stage.train, *overrides).job.environment_variables == variables


def test_the_length_and_the_compute_of_a_training_may_change(
    submit: Callable[..., None], resume: Resume
) -> None:
    def twice(kept: ExperimentConfig) -> None:
        kept.job.inputs["passes"] = kept.model.epochs
        kept.sources["passes"] = "model.epochs"

    submit(Stage.train, *FIRST_OVERRIDES, change=twice)
    words = ("model.epochs=70", "job.timeout=9", "compute=low_priority", "+job.inputs.passes=60")
    found = resume(Stage.train, "compute.evict_after_epochs=2", *words)
    assert (found.model.epochs, found.job.timeout, found.model.batch_size) == (70, 9, 4)
    # Every input that follows the length.
    assert (found.job.inputs["epochs"], found.job.inputs["passes"]) == (70, 70)
    assert (found.compute.name, found.compute.evict_after_epochs) == ("low-priority", 2)


def test_nothing_of_a_sweep_may_change(submit: Callable[..., None], resume: Resume) -> None:
    submit(Stage.sweep)
    with pytest.raises(
        ConfigError, match=r"epochs: must stay 20, got 70; sweep run_1 was submitted with 20"
    ):
        resume(Stage.sweep, "model.epochs=70")


@pytest.mark.parametrize("text", ["echo ${HOME}", "\\${x}", "a\\\\${b}", "${{inputs.x}}", "${"])
def test_resolved_references_are_not_resolved_again(
    submit: Callable[..., None], resume: Resume, text: str
) -> None:
    def change(kept: ExperimentConfig) -> None:
        kept.job.command = text
        kept.job.environment_variables["P"] = text

    submit(Stage.train, change=change)
    found = resume(Stage.train)
    assert (found.job.command, found.job.environment_variables["P"]) == (text, text)


@pytest.mark.parametrize("text", ["no json", "[]", '{"zzz": 1}', '{"seed": "x"}'])
def test_an_unreadable_config_is_a_fault_of_one_line(
    outputs: RecordedOutputs, submit: Callable[..., None], resume: Resume, text: str
) -> None:
    submit(Stage.train)
    _, folder = next(outputs.index.newest_first(Stage.train))
    (folder / CONFIG_NAME).write_text(text, encoding="utf-8")
    with pytest.raises(NotFoundError, match="cannot be read from") as caught:
        resume(Stage.train)
    assert "\n" not in str(caught.value)


def test_a_run_without_a_kept_config_uses_the_composed_config(
    outputs: RecordedOutputs, resume: Resume
) -> None:
    outputs.add(Stage.train, "run_1", JobStatus.RUNNING)
    assert resume(Stage.train, "model.epochs=70").model.epochs == 70


def test_the_paths_of_a_kept_config_follow_a_moved_project(
    outputs: RecordedOutputs, resume: Resume, submit: Callable[..., None], tmp_path: Path
) -> None:
    def paths_before_the_move(kept: Any) -> None:
        kept.outputs_dir = "/before/project/outputs"
        kept.job.code = "/before/project/code"
        kept.endpoint.deployment.code = "/elsewhere/code"
        kept.job.inputs["words"] = {"path": "/before/project/words.txt"}

    (tmp_path / "code").mkdir()
    (tmp_path / "words.txt").touch()
    submit(Stage.train, change=paths_before_the_move)
    resumed = resume(Stage.train)
    assert resumed.job.code == str(tmp_path / "code")
    assert resumed.endpoint.deployment.code == "/elsewhere/code"
    assert resumed.job.inputs["words"] == {"path": str(tmp_path / "words.txt")}
    assert resumed.outputs_dir == str(outputs.path)


def test_the_kept_config_contains_no_value_of_the_callers_environment(
    outputs: RecordedOutputs, resume: Resume, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = "job.environment_variables"
    words = [f"+{key}.A=${{oc.env:MINE}}", f"+{key}.B=train", "job.identity=${oc.env:WHO}"]
    deployed = "endpoint.deployment.environment_variables.E=of the deployment"
    monkeypatch.setenv("MINE", "a secret")
    monkeypatch.setenv("WHO", "managed")
    outputs.add(Stage.train, "run_1", JobStatus.RUNNING)
    record, folder = next(outputs.index.newest_first(Stage.train))
    # The outputs folder is a value of this command.
    words += [deployed, "outputs_dir=${oc.env:MINE}", "compute.name=${oc.env:WHO}"]
    words += ["+sweep.search_space={lr: {type: choice, values: [plain, '${oc.env:MINE}']}}"]
    words += [f"+{key}={{a.dotted.name: '${{oc.env:MINE}}'}}"]
    context = stage_context(config("stage=train", *words), outputs, folder)
    keep_config(context)
    path = folder / CONFIG_NAME
    assert path.stat().st_mode & 0o777 == 0o600
    assert not re.search("a secret|of the deployment", path.read_text())
    monkeypatch.setenv("MINE", "another secret")
    found = resume(Stage.train, f"+{key}.C=${{oc.env:MINE}}", deployed)
    assert found.job.environment_variables["A"] == "another secret"
    assert found.job.environment_variables["B"] == "train"
    assert found.job.environment_variables["a.dotted.name"] == "another secret"
    assert found.sweep.search_space["lr"]["values"] == ["plain", "another secret"]
    assert found.job.identity == "managed"
    assert set(found.interpolations) >= {f"{key}.A", f"{key}.C", "job.identity"}
    hide_kept_values(context, record)
    kept = json.loads(path.read_text())["job"]
    assert kept["environment_variables"]["B"] == "${oc.env:B}"
    assert kept["command"] == context.config.job.command
    monkeypatch.delenv("WHO")
    with pytest.raises(NotFoundError, match="'WHO' not found"):
        resume(Stage.train)


@pytest.mark.parametrize(
    ("overrides", "interpolations"),
    [
        (["{KEY}={{}}"], {"compute.name": "${oc.env:MINE}"}),
        (["~{KEY}.{NAME}"], {"compute.name": "${oc.env:MINE}"}),
        (
            ["{KEY}={{{NAME}: '${{oc.env:WHO}}'}}", "compute=low_priority"],
            {f"job.environment_variables.{NAME}": "${oc.env:WHO}"},
        ),
        (
            ["{KEY}={{{NAME}: plain}}", "compute.name=${{oc.env:WHO}}"],
            {"compute.name": "${oc.env:WHO}"},
        ),
    ],
)
def test_the_interpolations_follow_the_values_that_a_resumed_job_changes(
    outputs: RecordedOutputs,
    resume: Resume,
    monkeypatch: pytest.MonkeyPatch,
    overrides: list[str],
    interpolations: dict[str, str],
) -> None:
    key = "job.environment_variables"
    monkeypatch.setenv("MINE", "a-secret")
    monkeypatch.setenv("WHO", "other-secret")
    outputs.add(Stage.train, "run_1", JobStatus.RUNNING)
    _, folder = next(outputs.index.newest_first(Stage.train))
    first = config("stage=train", f"{key}.{NAME}=${{oc.env:MINE}}", "compute.name=${oc.env:MINE}")
    keep_config(stage_context(first, outputs, folder))
    found = resume(Stage.train, *(text.format(KEY=key, NAME=NAME) for text in overrides))
    keep_config(stage_context(found, outputs, folder))
    kept = json.loads((folder / CONFIG_NAME).read_text())
    assert kept["interpolations"] == interpolations
    assert "secret" not in json.dumps(kept)
    again = resume(Stage.train)
    assert again.job.environment_variables == found.job.environment_variables
    assert again.compute == found.compute


def test_a_resumed_job_has_the_paths_of_the_first_command(
    outputs: RecordedOutputs, resume: Resume, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("D", str(tmp_path / "first"))
    outputs.add(Stage.train, "run_1", JobStatus.RUNNING)
    _, folder = next(outputs.index.newest_first(Stage.train))
    first = config("stage=train", "data=folder", "data.path=${oc.env:D}")
    keep_config(stage_context(first, outputs, folder))
    monkeypatch.setenv("D", "second")
    assert resume(Stage.train).data.path == str(tmp_path / "first")


def stage_context(experiment: Experiment, outputs: RecordedOutputs, folder: Path) -> StageContext:
    """Return the context of a stage that opens no workspace."""

    def opener() -> Workspace:
        raise AssertionError("the stage must not open its workspace")

    return StageContext(experiment, folder, opener, outputs.index, RichDisplay())


def test_the_message_about_a_changed_variable_shows_no_value(
    submit: Callable[..., None], resume: Resume
) -> None:
    submit(Stage.sweep, "+job.environment_variables.N=kept secret")
    with pytest.raises(ConfigError) as error:
        resume(Stage.sweep, "+job.environment_variables.N=given secret")
    (line,) = error.value.lines
    assert line.startswith("job.environment_variables.N: must stay as in sweep run_1;")
    assert "kept secret" not in line


def test_a_job_file_changes_nothing_of_a_submitted_job(
    submit: Callable[..., None], outputs: RecordedOutputs
) -> None:
    submit(Stage.train, "job.timeout=60")
    # The override stands for a value in the file.
    now = config("stage=train", "run=run_1", "job.timeout=30")
    now.outputs_dir = str(outputs.path)
    with pytest.raises(ConfigError, match=r"job\.timeout: must stay 60, got 30; .*file=job\.yml"):
        with_kept_config(now, ["stage=train", "run=run_1", "file=job.yml"])
