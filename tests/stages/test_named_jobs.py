"""stage=cancel, stage=compare and stage=report: an interrupt, a figure, and a page."""

import json
from typing import Any

import pytest

from mnist_exp.config import Stage
from mnist_exp.errors import RefusedError
from mnist_exp.file_locks import locked
from mnist_exp.metrics import MetricPoint
from mnist_exp.records import COMMAND_LOCK, Record
from mnist_exp.results import JobResult
from mnist_exp.stages import RUNNERS, run_stage
from mnist_exp.status import JobStatus
from tests.support.recorded_outputs import RecordedOutputs


class Interrupted:
    """A workspace with jobs. The user presses Ctrl-C during a cancellation."""

    def job_result(self, name: str) -> JobResult:
        """Return a job that logged a metric twice."""
        points = [MetricPoint("acc", step / 2, step) for step in (1, 2)]
        return JobResult(name, JobStatus.COMPLETED, metrics={"acc": points})

    def cancel_job(self, name: str) -> None:
        """Raise the interrupt of the user."""
        raise KeyboardInterrupt


def run(outputs: RecordedOutputs, stage: Stage, *overrides: str) -> None:
    workspace: Any = Interrupted()
    run_stage(RUNNERS[stage](outputs.context(stage, *overrides, opener=lambda: workspace)))


def test_a_cancel_request_stays_after_an_interrupt(outputs: RecordedOutputs) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(outputs, Stage.cancel, "run=sweep")
    assert outputs.display.messages[-1] == "the cancel request stays; sweep ends soon"


def test_a_variant_that_waits_cannot_be_canceled(outputs: RecordedOutputs) -> None:
    waiting = outputs.path / "runs" / "waiting"
    record = Record(Stage.train, "late", JobStatus.NOT_STARTED, started="2026-11-01T00:00:00+00:00")
    with locked(waiting / COMMAND_LOCK):
        record.save(waiting)
        outputs.index.add(record, waiting)
        with pytest.raises(
            RefusedError, match="got late, a variant that waits; cancel the variant"
        ):
            run(outputs, Stage.cancel, "run=late")


@pytest.mark.external  # matplotlib lists the fonts of the machine
def test_a_figure_that_cannot_be_drawn_is_a_warning(outputs: RecordedOutputs) -> None:
    outputs.add(Stage.train, "one")
    outputs.add(Stage.train, "two")
    # The folder of the figure cannot be created.
    (outputs.path / "runs" / "now").touch()
    run(outputs, Stage.compare, "run=[one,two]")
    *names, warning = outputs.display.messages
    assert names == ["one", "two"]
    assert warning.startswith("warning: figure comparison: could not be drawn (")


def test_a_report_is_written_beside_the_record(outputs: RecordedOutputs) -> None:
    outputs.add(Stage.train, "one")
    run(outputs, Stage.report, "run=one")
    (page,) = outputs.path.glob("runs/**/report.html")
    assert (page.parent / "run.json").exists()
    assert "train one" in page.read_text(encoding="utf-8")


def test_the_report_of_a_resumed_sweep_repeats_its_first_command(outputs: RecordedOutputs) -> None:
    words = {"flags": ["--config-dir", "mine"], "overrides": ["stage=sweep", "job=mine"]}
    outputs.add(Stage.sweep, "sweep", JobStatus.CANCELED, **words)
    trials = [{"name": "sweep_0", "status": "Completed", "parameters": {"rate": 0.5}}]
    outputs.add(Stage.sweep, "sweep", overrides=["stage=sweep", "run=sweep"], trials=trials)
    run(outputs, Stage.report, "run=sweep")
    (page,) = outputs.path.glob("runs/**/report.html")
    command = "mnist-exp --config-dir mine stage=train job=mine ++job.inputs.rate=0.5"
    assert json.dumps(command) in page.read_text(encoding="utf-8")


def test_a_report_needs_a_job_with_a_run_folder(outputs: RecordedOutputs) -> None:
    outputs.add(Stage.train, "one")
    workspace: Any = Interrupted()
    for override, rule in (("seed=1", "run: must name the job"), ("run=x_0", "run: must name a")):
        context = outputs.context(Stage.report, override, opener=lambda: workspace)
        (fault,) = RUNNERS[Stage.report](context).faults()
        assert fault.startswith(rule)
