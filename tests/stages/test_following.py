"""A command that follows a job of another command."""

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from mnist_exp.config import Stage
from mnist_exp.errors import JobError
from mnist_exp.file_locks import locked
from mnist_exp.metrics import MetricPoint
from mnist_exp.records import COMMAND_LOCK
from mnist_exp.results import JobResult
from mnist_exp.stages import RUNNERS, run_stage
from mnist_exp.stages.following import FollowedJob, followed
from mnist_exp.status import KILLED, JobStatus
from tests.support.recorded_outputs import RecordedOutputs


class OtherCommand:
    """Another command, which starts its job, logs a metric twice, and is then killed."""

    outlives_command = False

    def __init__(self, outputs: RecordedOutputs) -> None:
        outputs.add(Stage.train, "job", JobStatus.RUNNING)
        self._lock = ExitStack()
        self._lock.enter_context(locked(outputs.path / "runs" / "001" / COMMAND_LOCK))
        self._results = self._each_result()

    def job_result(self, name: str) -> JobResult | None:
        """Return the next result."""
        return next(self._results)

    def _each_result(self) -> Iterator[JobResult | None]:
        yield None
        # The job of an earlier command that was killed.
        yield JobResult("job", JobStatus.FAILED, why=KILLED)
        for count in (1, 1, 2):
            yield JobResult(
                "job", JobStatus.RUNNING, metrics={"acc": [MetricPoint("acc", 1)] * count}
            )
        self._lock.close()
        yield None


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mnist_exp.stages.following._POLL_S", 0)


def test_the_job_of_a_command_that_is_killed_can_be_resumed(outputs: RecordedOutputs) -> None:
    other: Any = OtherCommand(outputs)
    context = outputs.context(Stage.train, "run=job", opener=lambda: other)
    runner = followed(RUNNERS[Stage.train](context))
    assert isinstance(runner, FollowedJob)
    with pytest.raises(JobError, match=f"train job: {KILLED}"):
        run_stage(runner)
    # Only changes are shown.
    assert [len(result.metrics["acc"]) for result in outputs.display.seen] == [1, 2]
    assert outputs.display.messages[-1] == "resumable job"
    # The next command resumes the job.
    assert not isinstance(followed(RUNNERS[Stage.train](context)), FollowedJob)
