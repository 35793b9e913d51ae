from pathlib import Path

import pytest

from mnist_exp.config import Stage
from mnist_exp.metrics import MetricPoint
from mnist_exp.results import JobResult
from mnist_exp.specs import CommandJob
from mnist_exp.stages import RUNNERS, run_stage
from mnist_exp.stages.resume import fingerprint
from mnist_exp.stages.watching import with_figure
from mnist_exp.status import JobStatus
from tests.support.recorded_outputs import RecordedOutputs


class OneJob:
    """A workspace whose job has completed."""

    outlives_command = False

    def __init__(self, result: JobResult) -> None:
        self._result = result

    def find_job(self, name: str) -> None:
        """Return None: the job is new."""

    def submit(self, job: CommandJob) -> str:
        return job.name

    def watch(self, name: str, observer: object) -> JobResult:
        return self._result

    def download(self, job: str, path: str) -> None:
        """Return None: the job saved no evaluation."""


def warnings(
    outputs: RecordedOutputs, logged: str, elsewhere: str = "", *overrides: str
) -> list[str]:
    """Return the warnings for a completed job, without the key."""
    result = JobResult(
        "job",
        JobStatus.COMPLETED,
        metrics={name: [MetricPoint(name, 1.0, 0)] for name in logged.split()},
        metrics_of_script_runs=elsewhere.split(),
    )
    words = ["job.primary_metric=acc", *overrides]
    context = outputs.context(Stage.train, *words, opener=lambda: OneJob(result))
    record = run_stage(RUNNERS[Stage.train](context))
    return [line.removeprefix("job.primary_metric: ") for line in record.warnings]


def test_a_logged_primary_metric_has_no_warning(outputs: RecordedOutputs) -> None:
    assert warnings(outputs, "acc", "loss") == []


def test_other_metrics_are_listed(outputs: RecordedOutputs) -> None:
    (line,) = warnings(outputs, "accuracy loss", "fold_loss")
    assert line.startswith("the script did not log 'acc'; the logged metrics are: accuracy, loss")


@pytest.mark.parametrize("logged", ["", "loss"])
def test_a_metric_of_a_nested_run_is_explained(outputs: RecordedOutputs, logged: str) -> None:
    (line,) = warnings(outputs, logged, "acc fold")
    assert line.startswith("'acc' was logged only to other MLflow runs than the job's run")


def test_a_script_that_logs_nothing_has_a_warning(outputs: RecordedOutputs) -> None:
    (line,) = warnings(outputs, "")
    assert line.startswith("the script logged no metric; log acc with mlflow.log_metric, or set")
    assert "pipefail" not in line
    assert warnings(outputs, "", "", "job.primary_metric=null") == []


@pytest.mark.parametrize(
    ("command", "has_hint"), [("a | tee b", True), ("a || b", False), ("a; b", False)]
)
def test_a_failure_before_a_pipe_is_mentioned(
    outputs: RecordedOutputs, command: str, has_hint: bool
) -> None:
    (line,) = warnings(outputs, "", "", "job.script=null", f"job.command='{command}'")
    assert ("begin with: set -o pipefail;" in line) is has_hint


@pytest.mark.parametrize(
    ("chosen", "paths"),
    [
        ("png", {"curves": "curves.png"}),
        ("svg", {"curves": "curves.png", "curves_svg": "curves.svg"}),
        ("pdf", {"curves": "curves.png", "curves_pdf": "curves.pdf"}),
    ],
)
def test_a_figure_is_saved_as_png_and_in_the_chosen_format(
    outputs: RecordedOutputs, chosen: str, paths: dict[str, str]
) -> None:
    context = outputs.context(Stage.train, f"figure_format={chosen}")
    record = with_figure(context, outputs.add(Stage.train, "job"), "curves", lambda path: path)
    assert {name: Path(path).name for name, path in record.paths.items()} == paths
    # The format does not change the job.
    assert fingerprint(context.config, Stage.train) == fingerprint(
        outputs.config(Stage.train), Stage.train
    )
