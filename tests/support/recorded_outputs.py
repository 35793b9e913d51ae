"""An outputs folder with records written by hand, and a display that keeps what it is given."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any

from mnist_exp.config import ExperimentConfig, Stage
from mnist_exp.past_runs import PastRun
from mnist_exp.records import Record, RecordIndex
from mnist_exp.results import JobResult
from mnist_exp.stages import StageContext
from mnist_exp.status import JobStatus
from mnist_exp.workspaces.base import Workspace
from tests.support.configs import fresh_config


class RecordingDisplay:
    """A display, and its own observer, that keeps what it is given."""

    def __init__(self) -> None:
        self.started: list[Record] = []
        self.ended: list[Record] = []
        self.messages: list[str] = []
        self.seen: list[JobResult] = []

    def stage_started(self, record: Record) -> None:
        """Keep the argument."""
        self.started.append(record)

    def stage_ended(self, record: Record) -> None:
        """Keep the argument."""
        self.ended.append(record)

    def message(self, text: str) -> None:
        """Keep the argument."""
        self.messages.append(text)

    def output(self, text: str) -> None:
        """Keep the argument."""
        self.messages.append(text)

    def runs(self, runs: Sequence[PastRun], hidden: int, metric: str | None) -> None:
        """Keep the names of the runs."""
        self.messages += [run.record.name for run in runs]

    def side_by_side(self, runs: Sequence[PastRun]) -> None:
        """Keep the names of the runs."""
        self.messages += [run.record.name for run in runs]

    def summary(self, record: Record) -> None:
        """Keep the argument."""
        self.ended.append(record)

    def resume_hint(self, record: Record) -> None:
        """Keep the name of the record."""
        self.messages.append(f"resumable {record.name}")

    def watching(
        self,
        total_events: int | None,
        primary_metric: str,
        trials: int | None = None,
        noun: str = "trial",
    ) -> "RecordingDisplay":
        """Return the observer."""
        return self

    def job_changed(self, job: JobResult) -> None:
        """Keep the argument."""
        self.seen.append(job)

    def idle(self) -> None:
        """Do nothing."""

    def __enter__(self) -> "RecordingDisplay":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        pass


def no_workspace() -> Workspace:
    """Fail: the test must not open the workspace."""
    raise AssertionError("the workspace was opened")


class RecordedOutputs:
    """An outputs folder with records in it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.index = RecordIndex(path)
        self.display = RecordingDisplay()

    def add(
        self,
        stage: Stage,
        name: str,
        status: JobStatus = JobStatus.COMPLETED,
        **changes: Any,
    ) -> Record:
        """Write a record as a stage of an earlier command does, in a new run folder."""
        if stage is Stage.sweep:
            changes.setdefault("best", {"name": f"{name}_0", "metrics": {}, "parameters": {}})
        record = Record(stage, name, status, "2026-11-01T10:00:00+00:00", **changes)
        count = len(list(self.path.glob("runs/*"))) + 1
        folder = self.path / "runs" / f"{count:03}"
        record.save(folder)
        self.index.add(record, folder)
        return record

    def context(
        self,
        stage: Stage,
        *overrides: str,
        produced: Mapping[Stage, Record] | None = None,
        opener: Callable[[], Workspace] = no_workspace,
    ) -> StageContext:
        """Return the context of a stage of this command."""
        return StageContext(
            config=self.config(stage, *overrides),
            folder=self.path / "runs" / "now",
            opener=opener,
            index=self.index,
            display=self.display,
            produced=produced or {},
        )

    def config(self, stage: Stage, *overrides: str) -> ExperimentConfig:
        """Return a config; its outputs folder is only a name in messages."""
        return replace(fresh_config(f"stage={stage.value}", *overrides), outputs_dir="outputs")
