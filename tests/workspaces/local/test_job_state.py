"""The state, the log and the cancellation of a sweep that another command runs."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from mnist_exp.errors import OutputsError, RefusedError
from mnist_exp.results import JobResult
from mnist_exp.status import KILLED, JobStatus
from mnist_exp.workspaces.base import JobInterrupted
from mnist_exp.workspaces.local.workspace import LocalWorkspace
from tests.support.small_jobs import sweep_job
from tests.support.waiting import eventually
from tests.support.watching import Watcher

#: Trial 0 ends. Trial 1 runs until it is canceled.
SCRIPT = """\
import sys, time
from logger import log_metric
log_metric("score", float(sys.argv[1]), step=1)
print("the script logged", flush=True)
while sys.argv[1] == "2":
    time.sleep(1)
"""


@pytest.fixture
def canceled(workspace: LocalWorkspace, outputs: Path, code: Callable[..., Path]) -> list[str]:
    """A sweep that another command canceled, and the lines that a third command followed."""
    job = sweep_job(
        "script.py {{search_space.x}}",
        {"x": {"type": "choice", "values": [1, 2]}},
        name="sweep",
        code=code(SCRIPT),
    )
    other = LocalWorkspace(outputs)
    with ThreadPoolExecutor(2) as commands:
        watched = commands.submit(workspace.watch, workspace.submit(job), Watcher())
        eventually(lambda: other.find_job("sweep") is JobStatus.RUNNING)
        followed = commands.submit(lambda: list(other.job_log("sweep")))
        # The first trial ends by itself, and the second trial runs until it is canceled.
        expected = [(1, JobStatus.COMPLETED), (2, JobStatus.RUNNING)]
        eventually(lambda: _trials(other.job_result("sweep")) == expected)
        with pytest.raises(RefusedError, match=r"got the trial sweep_1; .* use run=sweep"):
            other.cancel_job("sweep_1")
        other.cancel_job("sweep")
        with pytest.raises(JobInterrupted):
            watched.result()
        return followed.result()


def _trials(result: JobResult | None) -> list[tuple[float | None, JobStatus]]:
    return [(trial.best, trial.status) for trial in result.trials] if result else []


def test_a_sweep_is_followed_and_canceled_from_another_terminal(
    canceled: list[str], outputs: Path
) -> None:
    events = [line.partition(" ")[2] for line in canceled]
    assert events[:2] == ["the sweep starts", "trial 0: x=1"]
    assert {"trial 0: score 1", "trial 0: Completed", "trial 1: score 2"} < set(events)
    assert events[-1] == "the sweep was interrupted"
    other = LocalWorkspace(outputs)
    assert other.find_job("sweep") is JobStatus.CANCELED
    result = other.job_result("sweep")
    assert result is not None
    assert (result.status, result.best) == (JobStatus.CANCELED, "sweep_1")
    assert [trial.status for trial in result.trials] == [JobStatus.COMPLETED, JobStatus.CANCELED]
    assert list(other.job_log("sweep_0")) == ["the script logged"]
    with pytest.raises(RefusedError, match="must name a running job, got sweep, which is Canceled"):
        other.cancel_job("sweep")
    # A killed command leaves the same files, but its journal has no last entry.
    journal = outputs / "jobs" / "sweep" / "journal.jsonl"
    lines = journal.read_text(encoding="utf-8").splitlines(keepends=True)
    rest = [line for line in lines if '"interrupted"' not in line]
    journal.write_text("".join(rest), encoding="utf-8")
    killed = other.job_result("sweep")
    assert killed is not None
    assert (killed.status, killed.why) == (JobStatus.FAILED, KILLED)
    journal.write_text("{}\n", encoding="utf-8")
    with pytest.raises(OutputsError, match=r"the journal .* is damaged"):
        other.job_result("sweep")
    with pytest.raises(OutputsError, match=r"the journal .* is damaged"):
        list(other.job_log("sweep"))
