"""Past runs: find the runs of an outputs folder in its records, and select some of the runs.

Several commands may have worked on one job, because a job can resume. Such a job has several
records, but is only one run.
"""

import json
import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

from mnist_exp.config import RunOrder, RunsConfig, Stage, changes
from mnist_exp.file_locks import is_locked
from mnist_exp.records import COMMAND_LOCK, CONFIG_NAME, INVALID_JSON, Record, RecordIndex
from mnist_exp.status import KILLED, JobStatus

#: The stages whose runs are jobs.
JOB_STAGES = (Stage.train, Stage.sweep)


@dataclass(frozen=True)
class PastRun:
    """A job, a model, an endpoint or a whole `stage=all`, as the records describe it.

    Attributes:
        records: The records of the commands that worked on the run, oldest first.
        folders: The run folder of each record.
        is_saved: Whether the newest record is up to date. False means that the job has ended, but
            its command has not saved the results.
    """

    records: Sequence[Record]
    folders: Sequence[Path]
    is_saved: bool = True

    @property
    def record(self) -> Record:
        """The newest record."""
        return self.records[-1]

    @property
    def is_running(self) -> bool:
        """Whether the newest command on this run still runs on this machine."""
        return is_locked(self.folders[-1] / COMMAND_LOCK)

    @property
    def duration_s(self) -> float | None:
        """The seconds of all commands together; None if the newest command has not ended."""
        if self.record.duration_s is None:
            return None
        return sum(record.duration_s or 0.0 for record in self.records)

    @cached_property
    def metrics(self) -> Mapping[str, float]:
        """Metric name -> value. For a sweep, the values are those of the best trial."""
        record = self.record
        known = {name: value for name, value in record.metrics.items() if value is not None}
        best = record.best.get("value") if record.best else None
        if record.primary_metric and best is not None:
            known[record.primary_metric] = best
        return known

    @cached_property
    def parameters(self) -> Mapping[str, Any]:
        """Input of the job -> value. For a sweep, the values are those of the best trial."""
        saved = map(_saved_inputs, reversed(self.folders))
        return {**next((each for each in saved if each), {}), **self.record.parameters}

    def metric(self, name: str | None) -> float | None:
        """Return the value of a metric, or None if the value is unknown.

        If `name` is None, return the value of the primary metric.
        """
        return self.metrics.get(self.metric_name(name))

    def metric_name(self, name: str | None) -> str:
        """Return `name`; if it is None, the name of the primary metric, which may be empty."""
        return name or self.record.primary_metric or ""

    @property
    def changes(self) -> Sequence[str]:
        """The overrides that changed the defaults."""
        return changes(text for record in self.records for text in record.overrides)

    def content(self) -> Mapping[str, Any]:
        """Return the run as plain values, for JSON."""
        record = self.record
        return {
            "name": record.name,
            "stage": record.stage.value,
            "status": record.status.value,
            "why": record.why,
            "experiment_name": record.experiment_name,
            "workspace": record.workspace,
            "started": self.records[0].started,
            "duration_s": self.duration_s,
            "primary_metric": record.primary_metric,
            "metrics": dict(self.metrics),
            "parameters": dict(self.parameters),
            "overrides": list(self.changes),
            "folder": str(self.folders[-1]),
        }


def _saved_inputs(folder: Path) -> Mapping[str, Any]:
    """Return input -> value, for the literal inputs in the config of a job; empty without a config.

    An input whose value contains an environment variable is left out, because the saved config does
    not contain the value.
    """
    try:
        content = json.loads((folder / CONFIG_NAME).read_text(encoding="utf-8"))
        inputs = content["job"]["inputs"].items()
    except (OSError, KeyError, TypeError, AttributeError, *INVALID_JSON):
        return {}
    return {name: value for name, value in inputs if isinstance(value, str | int | float)}


def past_runs(index: RecordIndex, *stages: Stage) -> list[PastRun]:
    """Return the runs of some stages, in the order in which the runs started."""
    found: dict[tuple[Stage, str], list[tuple[Record, Path]]] = {}
    for record, folder in reversed([*index.newest_first(*stages)]):
        # A model or an endpoint can have several runs. A job has only one run.
        distinct = record.name if record.stage in JOB_STAGES else str(folder)
        found.setdefault((record.stage, distinct), []).append((record, folder))
    runs = [
        PastRun([record for record, _ in entries], [folder for _, folder in entries])
        for entries in found.values()
    ]
    return sorted(runs, key=lambda run: run.records[0].started)


def with_status(
    runs: Iterable[PastRun], find: Callable[[Record], JobStatus | None]
) -> list[PastRun]:
    """Return the runs with the present status of each unfinished job.

    The record of a job can be out of date: a job may have ended after its command had ended, and a
    killed command could not write its record.

    Args:
        runs: The runs.
        find: Function that returns the present status of a job; None if nothing runs the job.
    """
    return [run if run.record.status.is_finished else _updated(run, find) for run in runs]


def _updated(run: PastRun, find: Callable[[Record], JobStatus | None]) -> PastRun:
    record = run.record
    status = find(record)
    if status is None and run.is_running:
        # There is no job yet: its command has not started the job, or failed earlier.
        return run
    if status is None:
        record = record.with_changes(status=JobStatus.FAILED, why=record.why or KILLED)
    else:
        record = record.with_changes(status=status)
    is_saved = not record.status.is_finished
    return replace(run, records=(*run.records[:-1], record), is_saved=is_saved)


def selected(runs: Iterable[PastRun], config: RunsConfig) -> list[PastRun]:
    """Return the runs that the config selects, in the order that the config chooses."""
    found = [run for run in runs if _is_selected(run, config)]
    if config.order is RunOrder.metric:
        found.sort(key=_rank_by_metric(found, config.metric))
    return found


def _rank_by_metric(
    runs: Sequence[PastRun], metric: str | None
) -> Callable[[PastRun], tuple[Any, ...]]:
    """Return a sort key. The runs with the most frequent metric come last; the last is the best.

    Values of different metrics cannot be compared, so the runs with the same metric stay together.
    The lowest value is the best if a sweep has minimized the metric. Failed runs and runs without
    a value come first.
    """
    counts = Counter(run.metric_name(metric) for run in runs)
    minimized = {run.record.primary_metric for run in runs if run.record.goal == "minimize"}

    def rank(run: PastRun) -> tuple[Any, ...]:
        value, name = run.metric(metric), run.metric_name(metric)
        if value is None or run.record.status is JobStatus.FAILED:
            return (False, 0, "", 0.0)
        return (True, counts[name], name, -value if name in minimized else value)

    return rank


def _is_selected(run: PastRun, config: RunsConfig) -> bool:
    record, value = run.record, run.metric(config.metric)
    if config.status is not None and config.status.lower() != record.status.value.lower():
        return False
    if config.experiment_name not in (None, record.experiment_name):
        return False
    if config.older_than_days is not None and _age_days(run) < config.older_than_days:
        return False
    if config.newer_than_days is not None and _age_days(run) > config.newer_than_days:
        return False
    if config.metric is None and config.min_value is None and config.max_value is None:
        return True
    low = -math.inf if config.min_value is None else config.min_value
    high = math.inf if config.max_value is None else config.max_value
    return value is not None and low <= value <= high


def _age_days(run: PastRun) -> float:
    """Return the days since the start of the last command that worked on the run."""
    age = datetime.now(UTC) - datetime.fromisoformat(run.record.started)
    return age.total_seconds() / timedelta(days=1).total_seconds()
