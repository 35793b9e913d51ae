"""report.html beside the record: at the end of a job, and while a job runs."""

from pathlib import Path
from typing import Any

import pytest

from mnist_exp.config import Stage
from mnist_exp.metrics import MetricPoint
from mnist_exp.records import CURVES_NAME, REPORT_NAME, Record, load_record
from mnist_exp.results import JobResult, TrialResult
from mnist_exp.stages import RUNNERS, run_stage
from mnist_exp.stages.pages import EVERY_S, LivePage
from mnist_exp.stages.sweep import with_trials
from mnist_exp.stages.watching import with_job_result
from mnist_exp.status import JobStatus
from mnist_exp.sweeps.journal import Created, Logged, to_line
from tests.stages.test_train import OneJob
from tests.support.recorded_outputs import RecordedOutputs


class Clock:
    """A clock that advances only in tests."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        """Return the time in seconds."""
        return self.now


def train(outputs: RecordedOutputs, *, values: int = 1) -> Record:
    """Run a training stage whose job has completed with values of a metric."""
    points = [MetricPoint("acc", value / 2) for value in range(values)]
    workspace: Any = OneJob(JobResult("job", JobStatus.COMPLETED, metrics={"acc": points}))
    context = outputs.context(Stage.train, "job.primary_metric=acc", opener=lambda: workspace)
    return run_stage(RUNNERS[Stage.train](context))


def page_of(outputs: RecordedOutputs) -> str:
    return (outputs.path / "runs" / "now" / REPORT_NAME).read_text(encoding="utf-8")


@pytest.mark.external  # matplotlib lists the fonts of the machine
def test_a_training_run_writes_its_page_and_its_curves(outputs: RecordedOutputs) -> None:
    record = train(outputs, values=3)
    assert '"curves":{"acc":[[1,0.0],[2,0.5],[3,1.0]]}' in page_of(outputs)
    assert record.paths["report"].endswith(REPORT_NAME)
    assert load_record(Path(record.paths["report"]).with_name("run.json")) == load_record(
        record.save(outputs.path / "copy")
    )


def test_a_page_that_cannot_be_written_is_a_warning(outputs: RecordedOutputs) -> None:
    (outputs.path / "runs" / "now" / REPORT_NAME).mkdir(parents=True)
    record = train(outputs)
    assert record.status is JobStatus.COMPLETED
    assert record.warnings[-1].startswith("report: could not be written (")
    assert "report" not in record.paths


def live(outputs: RecordedOutputs, record: Record, with_result: Any, clock: Clock) -> LivePage:
    return LivePage(outputs.context(record.stage), record, with_result, outputs.display, clock)


def test_the_page_of_a_running_sweep_is_rewritten_every_few_seconds(
    outputs: RecordedOutputs,
) -> None:
    clock, jobs = Clock(), outputs.path / "jobs"
    record = Record(Stage.sweep, "sweep", JobStatus.RUNNING, "", primary_metric="acc")
    page = live(outputs, record, with_trials, clock)
    trial = TrialResult("sweep_0", JobStatus.RUNNING, {"x": 1}, best=0.25)
    job = JobResult("sweep", JobStatus.RUNNING, folder=str(jobs), trials=[trial])
    jobs.mkdir(parents=True)
    line = to_line(Logged(MetricPoint("acc", 0.25), at=1.0))
    (jobs / "journal.jsonl").write_text(to_line(Created({"objective": {}})) + line + line[:9])
    page.job_changed(job)
    assert not (outputs.path / "runs" / "now" / REPORT_NAME).exists()
    clock.now += EVERY_S
    page.job_changed(job)
    assert '"curve":[[1,0.25]]' in page_of(outputs)
    assert '"is_running":true' in page_of(outputs)
    with (jobs / "journal.jsonl").open("a") as journal:
        journal.write(line[9:])
    clock.now += EVERY_S / 2
    page.job_changed(job)
    assert '"curve":[[1,0.25]]' in page_of(outputs)
    clock.now += EVERY_S / 2
    page.job_changed(job)
    assert '"curve":[[1,0.25],[2,0.25]]' in page_of(outputs)
    (message,) = outputs.display.messages
    assert message.startswith("the report of the running job: ")
    assert len(outputs.display.seen) == 4


def test_the_page_of_a_running_training_run_has_the_present_curves(
    outputs: RecordedOutputs,
) -> None:
    clock = Clock()
    record = Record(Stage.train, "train", JobStatus.RUNNING, "", primary_metric="acc")
    page = live(outputs, record, with_job_result, clock)
    points = [MetricPoint("acc", value) for value in (0.5, float("nan"))]
    clock.now += EVERY_S
    page.job_changed(JobResult("train", JobStatus.RUNNING, metrics={"acc": points}))
    assert '"curves":{"acc":[[1,0.5],[2,null]]}' in page_of(outputs)
    assert (outputs.path / "runs" / "now" / CURVES_NAME).exists()


def test_the_page_of_a_sweep_without_a_journal_has_curves(outputs: RecordedOutputs) -> None:
    clock = Clock()
    record = Record(Stage.sweep, "sweep", JobStatus.RUNNING, "", primary_metric="acc")
    page = live(outputs, record, with_trials, clock)
    metrics = {"acc": [MetricPoint("acc", 0.5)], "loss": [MetricPoint("loss", 1)]}
    trial = TrialResult("sweep_0", JobStatus.RUNNING, {"x": 1}, best=0.5, metrics=metrics)
    clock.now += EVERY_S
    page.job_changed(JobResult("sweep", JobStatus.RUNNING, trials=[trial]))
    assert '"curve":[[1,0.5]]' in page_of(outputs)
    assert '"curves":{}' in page_of(outputs)


def test_a_live_page_that_cannot_be_written_disturbs_nobody(outputs: RecordedOutputs) -> None:
    clock = Clock()
    (outputs.path / "runs" / "now" / REPORT_NAME).mkdir(parents=True)
    record = Record(Stage.sweep, "sweep", JobStatus.RUNNING, "")
    page = live(outputs, record, with_trials, clock)
    clock.now += EVERY_S
    page.job_changed(JobResult("sweep", JobStatus.RUNNING))
    assert len(outputs.display.seen) == 1
    assert not outputs.display.messages
