"""The records and errors of every stage."""

import json
from collections.abc import Callable
from contextlib import suppress
from functools import cached_property
from typing import Any

import pytest

from mnist_exp.config import Stage
from mnist_exp.errors import ConfigError, EndpointError, JobError
from mnist_exp.file_locks import is_locked
from mnist_exp.records import COMMAND_LOCK, Record, load_record
from mnist_exp.stages import StageContext, StageRunner, run_stage
from mnist_exp.stages.resume import CONFIG_NAME, keep_config
from mnist_exp.status import JobStatus
from mnist_exp.workspaces.base import BY_THE_USER
from tests.support.recorded_outputs import RecordedOutputs

Work = Callable[[StageContext, Record], Record]


class FunctionStage(StageRunner):
    """A stage that runs a given function."""

    stage = Stage.train

    def __init__(self, work: Work, context: StageContext) -> None:
        super().__init__(context)
        self._work = work

    @cached_property
    def name(self) -> str:
        """A fixed name."""
        return "stub"

    def run(self, record: Record) -> Record:
        """Run the function."""
        return self._work(self.context, record)


def raising(error: BaseException) -> Work:
    def work(context: StageContext, record: Record) -> Record:
        raise error

    return work


def saved_record(context: StageContext) -> Record:
    return load_record(context.folder / "run.json")


def test_a_record_is_there_before_and_after(outputs: RecordedOutputs) -> None:
    seen = []

    def work(context: StageContext, record: Record) -> Record:
        seen.append(saved_record(context).status)
        assert is_locked(context.folder / COMMAND_LOCK)
        return record.with_changes(metrics={"acc": 0.5})

    context = outputs.context(Stage.train)
    record = run_stage(FunctionStage(work, context))
    assert seen == [JobStatus.RUNNING]
    assert not (context.folder / COMMAND_LOCK).exists()
    assert record.status is JobStatus.COMPLETED
    assert saved_record(context) == load_record(record.save(outputs.path / "copy"))
    assert [found.name for found, _ in outputs.index.newest_first(Stage.train)] == ["stub"]
    assert [one.status for one in outputs.display.started] == [JobStatus.RUNNING]
    assert outputs.display.ended == [record]


def test_a_record_says_where_it_comes_from(outputs: RecordedOutputs) -> None:
    record = run_stage(
        FunctionStage(lambda _, record: record, outputs.context(Stage.train, "seed=7"))
    )
    content = json.loads((outputs.path / "runs" / "now" / "run.json").read_text())
    assert content["seed"] == 7
    assert content["workspace"] == "local"
    assert set(content["versions"]) >= {"python", "tensorflow", "mlflow"}
    assert content["started"].endswith("+00:00")
    assert content["duration_s"] == record.duration_s
    assert content["duration_s"] >= 0
    assert content["goal"] == ""
    assert content["git_commit"] is None or len(content["git_commit"]) == 40


def test_the_record_of_a_sweep_contains_the_goal(outputs: RecordedOutputs) -> None:
    context = outputs.context(Stage.sweep, "sweep.objective.goal=Minimize")
    sweep = FunctionStage(lambda _, record: record, context)
    sweep.stage = Stage.sweep
    run_stage(sweep)
    assert saved_record(context).goal == "minimize"


@pytest.mark.parametrize(
    ("error", "status", "why"),
    [
        (ConfigError(["a: one", "b: two"]), JobStatus.FAILED, "a: one"),
        (EndpointError("no answer"), JobStatus.FAILED, "no answer"),
        (KeyboardInterrupt(), JobStatus.CANCELED, "canceled by the user"),
        (ZeroDivisionError("ours"), JobStatus.FAILED, "ZeroDivisionError: ours"),
        (SystemExit(3), JobStatus.FAILED, "SystemExit: 3"),
        (
            BrokenPipeError(),
            JobStatus.FAILED,
            "the reader of the command's output has exited, e.g. head",
        ),
    ],
)
def test_an_error_is_recorded_and_raised(
    outputs: RecordedOutputs, error: BaseException, status: JobStatus, why: str
) -> None:
    context = outputs.context(Stage.train)
    with pytest.raises(type(error)) as caught:
        run_stage(FunctionStage(raising(error), context))
    assert caught.value is error
    assert (saved_record(context).status, saved_record(context).why) == (status, why)
    assert outputs.display.ended == []


def test_a_failed_job_keeps_its_record_and_is_an_error(outputs: RecordedOutputs) -> None:
    def work(context: StageContext, record: Record) -> Record:
        return record.with_changes(
            status=JobStatus.FAILED,
            why="exit code 3",
            metrics={"acc": 0.5},
            paths={"log": "/the/log"},
            log_tail=["last word"],
        )

    context = outputs.context(Stage.train)
    with pytest.raises(JobError) as caught:
        run_stage(FunctionStage(work, context))
    assert str(caught.value) == "train stub: exit code 3; see the log: /the/log"
    assert caught.value.log_tail == ("last word",)
    assert saved_record(context).metrics == {"acc": 0.5}
    assert [one.status for one in outputs.display.ended] == [JobStatus.FAILED]


def test_a_canceled_job_is_an_error_too(outputs: RecordedOutputs) -> None:
    def work(context: StageContext, record: Record) -> Record:
        return record.with_changes(status=JobStatus.CANCELED, why="after job.timeout")

    with pytest.raises(JobError, match=r"^train stub: after job\.timeout$"):
        run_stage(FunctionStage(work, outputs.context(Stage.train)))


@pytest.mark.parametrize(
    ("stage", "changes", "is_hidden"),
    [
        (Stage.train, {}, True),
        (Stage.train, {"unread": ["metrics"]}, False),
        (Stage.train, {"status": JobStatus.FAILED}, False),
        (Stage.sweep, {"status": JobStatus.FAILED}, False),
        (Stage.sweep, {"status": JobStatus.FAILED, "trials": [{}]}, True),
        (Stage.sweep, {"status": JobStatus.CANCELED, "trials": [{}], "why": BY_THE_USER}, False),
    ],
)
def test_the_config_of_a_job_that_no_command_can_resume_contains_no_values(
    outputs: RecordedOutputs, stage: Stage, changes: dict[str, Any], is_hidden: bool
) -> None:
    def work(context: StageContext, record: Record) -> Record:
        keep_config(context)
        return record.with_changes(**changes)

    context = outputs.context(stage, "+job.environment_variables.TOKEN=secret")
    runner = FunctionStage(work, context)
    runner.stage = stage
    with suppress(JobError):
        run_stage(runner)
    content = json.loads((context.folder / CONFIG_NAME).read_text())
    shown = "${oc.env:TOKEN}" if is_hidden else "secret"
    assert content["job"]["environment_variables"]["TOKEN"] == shown
