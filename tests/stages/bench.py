"""An outputs folder with records written by hand, and a display that remembers."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any

from mnist_exp.config import ExperimentConfig, Stage
from mnist_exp.records import Record, RecordIndex
from mnist_exp.results import JobResult
from mnist_exp.stages import StageContext
from mnist_exp.status import JobStatus
from mnist_exp.workspaces.base import Workspace
from tests.support.configs import fresh_config


class Listener:
    """A display, and its own observer, that keeps what it is told."""

    def __init__(self) -> None:
        self.started: list[Record] = []
        self.ended: list[Record] = []
        self.messages: list[str] = []
        self.seen: list[JobResult] = []

    def stage_started(self, record: Record) -> None:
        """Keep it."""
        self.started.append(record)

    def stage_ended(self, record: Record) -> None:
        """Keep it."""
        self.ended.append(record)

    def message(self, text: str) -> None:
        """Keep it."""
        self.messages.append(text)

    def result(self, text: str) -> None:
        """Keep it."""
        self.messages.append(text)

    def resumable(self, record: Record) -> None:
        """Keep its name."""
        self.messages.append(f"resumable {record.name}")

    def watching(
        self, total_events: int | None, primary_metric: str, trials: int | None = None
    ) -> "Listener":
        """Return the observer."""
        return self

    def job_changed(self, job: JobResult) -> None:
        """Keep it."""
        self.seen.append(job)

    def idle(self) -> None:
        """Do nothing."""

    def __enter__(self) -> "Listener":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        pass


def no_workspace() -> Workspace:
    """Say that the workspace must not be opened."""
    raise AssertionError("the workspace was opened")


class Bench:
    """An outputs folder with records in it."""

    def __init__(self, outputs: Path) -> None:
        self.outputs = outputs
        self.index = RecordIndex(outputs)
        self.display = Listener()

    def add(
        self,
        stage: Stage,
        name: str,
        status: JobStatus = JobStatus.COMPLETED,
        **changes: Any,
    ) -> Record:
        """Write a record, as a stage of an earlier command left it."""
        if stage is Stage.sweep:
            changes.setdefault("best", {"name": f"{name}_0", "metrics": {}, "parameters": {}})
        record = Record(stage, name, status, "2026-11-01T10:00:00+00:00", **changes)
        count = len(list(self.outputs.glob("runs/*"))) + 1
        folder = self.outputs / "runs" / f"{count:03}"
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
        """Return what a stage of this command works with."""
        return StageContext(
            config=self.config(stage, *overrides),
            folder=self.outputs / "runs" / "now",
            opener=opener,
            index=self.index,
            display=self.display,
            produced=produced or {},
        )

    def config(self, stage: Stage, *overrides: str) -> ExperimentConfig:
        """Return a config with its outputs folder here."""
        return replace(fresh_config(f"stage={stage.value}", *overrides), outputs_dir="outputs")
