"""The past runs that the records describe, and the selection of `stage=runs`."""

import json
from collections.abc import Sequence
from typing import Any

import pytest

from mnist_exp import checks
from mnist_exp.config import Stage
from mnist_exp.errors import ConnectionLostError
from mnist_exp.file_locks import locked
from mnist_exp.past_runs import past_runs
from mnist_exp.records import COMMAND_LOCK
from mnist_exp.stages import RUNNERS, run_stage
from mnist_exp.status import KILLED, JobStatus
from tests.support.configs import fresh_config
from tests.support.recorded_outputs import RecordedOutputs, no_workspace

METRIC = {"primary_metric": "acc"}


@pytest.fixture
def past(outputs: RecordedOutputs) -> RecordedOutputs:
    """Five training runs, a sweep, and records that are no jobs."""
    wide = {"overrides": ("stage=train", "model=wide", "outputs_dir=x"), **METRIC}
    outputs.add(Stage.train, "wide", JobStatus.CANCELED, duration_s=2.0, **wide)
    outputs.add(Stage.train, "low", metrics={"acc": 0.0, "loss": 3.0}, **METRIC)
    outputs.add(Stage.sweep, "sweep", best={"name": "sweep_0", "value": 0.9}, **METRIC)
    outputs.add(Stage.register, "digits:1", metrics={"acc": 0.9})
    outputs.add(Stage.register, "digits:1")
    outputs.add(Stage.train, "failed", JobStatus.FAILED, experiment_name="other")
    # The run resumes, with one more change.
    again = {"overrides": ("stage=train", "run=wide", "model.epochs=9"), **METRIC}
    outputs.add(Stage.train, "wide", metrics={"acc": 0.5}, duration_s=3.0, **again)
    outputs.add(Stage.train, "running", JobStatus.RUNNING)
    outputs.add(Stage.train, "killed", JobStatus.RUNNING)
    outputs.add(Stage.train, "there", JobStatus.RUNNING, workspace="azure")
    return outputs


class OneRunning:
    """A workspace in which one job runs. The attribute `asked` lists the questions."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def find_job(self, name: str) -> JobStatus | None:
        """Return Running for the job `running`."""
        self.asked.append(name)
        return JobStatus.RUNNING if name == "running" else None


class Offline(OneRunning):
    """A workspace without a network."""

    def find_job(self, name: str) -> JobStatus | None:
        """Raise an error."""
        self.asked.append(name)
        raise ConnectionLostError("workspace: no network")


def listed(
    outputs: RecordedOutputs, *overrides: str, workspace: Any | None = None
) -> Sequence[str]:
    """Return the lines that `stage=runs` prints. The display prints only the names of the runs."""
    outputs.display.messages.clear()
    workspace = workspace or OneRunning()
    opener = no_workspace if "runs.stage=register" in overrides else lambda: workspace
    run_stage(RUNNERS[Stage.runs](outputs.context(Stage.runs, *overrides, opener=opener)))
    assert not (outputs.path / "runs" / "now").exists()
    return outputs.display.messages


def test_a_run_is_one_row_even_if_several_commands_worked_on_it(past: RecordedOutputs) -> None:
    runs = {run.record.name: run for run in past_runs(past.index, Stage.train)}
    assert list(runs) == ["wide", "low", "failed", "running", "killed", "there"]
    wide = runs["wide"]
    assert (wide.record.status, wide.duration_s) == (JobStatus.COMPLETED, 5.0)
    assert wide.changes == ["model=wide", "model.epochs=9"]
    assert (wide.metric(None), wide.metric("acc"), wide.metric("loss")) == (0.5, 0.5, None)
    # A model can be registered twice under one name, e.g. after a new start of the store.
    assert len(past_runs(past.index, Stage.register)) == 2


@pytest.mark.parametrize(
    ("overrides", "names"),
    [
        ([], ["wide", "low", "sweep", "failed", "running", "killed", "there"]),
        (["runs.limit=2"], ["killed", "there"]),
        (["runs.stage=sweep"], ["sweep"]),
        (["runs.stage=register"], ["digits:1", "digits:1"]),
        # A killed command left the status Running in its record.
        (["runs.status=failed"], ["failed", "killed"]),
        (["runs.status=Running"], ["running", "there"]),
        (["runs.experiment_name=other"], ["failed"]),
        (["runs.min_value=0.5"], ["wide", "sweep"]),
        (["runs.max_value=0"], ["low"]),
        (["runs.metric=loss"], ["low", "6 runs without loss are not listed"]),
        (["runs.metric=loss", "runs.max_value=2"], ["none of the 7 runs matches in outputs"]),
        (
            ["runs.metric=acc", "runs.min_value=0.6", "runs.status=completed"],
            ["sweep"],
        ),
        (
            ["runs.metric=loss", "runs.min_value=1", "runs.stage=sweep"],
            ["none of the 1 runs matches in outputs"],
        ),
        (["runs.status=Completed", "runs.order=metric"], ["low", "wide", "sweep"]),
        (["runs.newer_than_days=1e6", "runs.limit=1"], ["there"]),
        (["runs.newer_than_days=0"], ["none of the 7 runs matches in outputs"]),
        (["runs.status=Queued"], ["none of the 7 runs matches in outputs"]),
        (["runs.stage=deploy"], ["no run is recorded in outputs"]),
        (["runs.stage=deploy", "runs.format=json"], ["[]"]),
    ],
)
def test_runs_are_selected_and_ordered(
    past: RecordedOutputs, overrides: list[str], names: list[str]
) -> None:
    assert listed(past, *overrides) == names


@pytest.mark.parametrize(
    ("overrides", "asked"),
    [
        (["runs.limit=3"], ["running", "killed"]),
        (["runs.limit=2"], ["killed"]),
        (["runs.limit=1", "runs.status=Running"], ["running", "killed"]),
        (["runs.min_value=0", "runs.status=Running"], []),
    ],
)
def test_only_the_status_of_needed_jobs_is_read(
    past: RecordedOutputs, overrides: list[str], asked: list[str]
) -> None:
    workspace = OneRunning()
    listed(past, *overrides, workspace=workspace)
    assert workspace.asked == asked


def test_a_job_runs_from_the_start_of_its_command(past: RecordedOutputs) -> None:
    (killed,) = (run for run in past_runs(past.index, Stage.train) if run.record.name == "killed")
    with locked(killed.folders[0] / COMMAND_LOCK):
        assert listed(past, "runs.status=Running") == ["running", "killed", "there"]
    assert listed(past, "runs.status=Running") == ["running", "there"]


def test_a_lost_connection_is_one_warning(past: RecordedOutputs) -> None:
    workspace = Offline()
    warning, *names = listed(past, "runs.status=Running", workspace=workspace)
    assert warning.endswith("the recorded status of unfinished jobs (workspace: no network)")
    assert names == ["running", "killed", "there"]
    assert workspace.asked == ["running"]


def test_json_describes_each_run(past: RecordedOutputs) -> None:
    text = "\n".join(listed(past, "runs.format=json", "runs.status=failed"))
    failed, killed = json.loads(text)
    assert (failed["experiment_name"], failed["metrics"]) == ("other", {})
    assert (killed["status"], killed["why"]) == ("Failed", KILLED)


def test_the_keys_of_the_selection_have_rules() -> None:
    faults = checks.faults(
        fresh_config("stage=runs", "runs.status=x", "runs.limit=0", "runs.min_value=2",
                     "runs.max_value=1", "runs.newer_than_days=-1", "runs.older_than_days=1",
                     "run=wide")
    )  # fmt: skip
    assert [line.partition(":")[0] for line in faults] == [
        "run",
        "runs.status",
        "runs.limit",
        "runs.newer_than_days",
        "runs.older_than_days",
        "runs.min_value",
    ]
