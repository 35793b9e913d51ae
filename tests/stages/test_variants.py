"""The variants of a multirun, in a workspace whose jobs end when the test says so."""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import pytest

from mnist_exp.config import Stage
from mnist_exp.errors import JobError
from mnist_exp.results import JobResult
from mnist_exp.specs import CommandJob
from mnist_exp.stages import recording
from mnist_exp.stages.train import TrainStage
from mnist_exp.stages.variants import WaitingVariant, run_variants
from mnist_exp.status import JobStatus
from mnist_exp.workspaces.base import JobsListener, Observer, Outcome
from tests.support.recorded_outputs import RecordedOutputs


class Clock:
    """A clock that shows the time that a test sets."""

    now = 0.0

    def monotonic(self) -> float:
        """Return the time in seconds."""
        return self.now


class SlowFigures:
    """A workspace whose job ends after 5 s, and whose listener hears of the end 95 s later."""

    outlives_command = False

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def submit(self, job: CommandJob) -> str:
        """Accept the job."""
        return job.name

    def watch_jobs(
        self, jobs: Mapping[str, Observer], max_concurrent: int | None, listener: JobsListener
    ) -> None:
        """Start each job, and let the job fail."""
        for name, observer in jobs.items():
            listener.job_starts(name)
            self._clock.now += 5
            observer.job_changed(JobResult(name, JobStatus.FAILED))
            self._clock.now += 95
            listener.job_ended(name, JobError("failed"))


def test_the_duration_of_a_variant_ends_with_its_job(
    outputs: RecordedOutputs, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    workspace: Any = SlowFigures(clock)
    monkeypatch.setattr(recording, "time", clock)
    runner = TrainStage(outputs.context(Stage.train, opener=lambda: workspace))

    def ended(variant: WaitingVariant, outcome: Outcome) -> None:
        with suppress(JobError):
            variant.end(outcome)

    variant = WaitingVariant(runner, 0, {})
    run_variants([variant], None, ended)
    assert (variant.record.status, variant.record.duration_s) == (JobStatus.FAILED, 5)
