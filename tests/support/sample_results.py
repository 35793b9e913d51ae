"""Realistic jobs and records, and consoles whose output tests can read."""

import io
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from rich.console import Console

from mnist_exp.config import Stage
from mnist_exp.metrics import MetricPoint
from mnist_exp.records import Record
from mnist_exp.results import JobResult, TrialResult
from mnist_exp.status import JobStatus

METRIC = "validation_acc"
#: Codes for colours and cursor movements.
CODES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
WHY = "cut at interval 4: 0.612 < 0.801 / 1.1 = 0.728 (best: trial 5)"


def points(values: Sequence[float]) -> list[MetricPoint]:
    return [MetricPoint("metric", float(value), step) for step, value in enumerate(values, start=1)]


def learning(epochs: int, top: float, rate: float = 0.35) -> np.ndarray:
    return top - (top - 0.2) * np.exp(-rate * np.arange(epochs))


def command_job(epochs: int = 20, status: JobStatus = JobStatus.COMPLETED) -> JobResult:
    metrics = {
        "training_acc": points(learning(epochs, 0.99)),
        METRIC: points(learning(epochs, 0.95)),
        "loss": points(2 * np.exp(-0.2 * np.arange(epochs))),
    }
    if status.is_finished:
        metrics["test_acc"] = points([0.94])
    return JobResult("train_1", status, metrics=metrics)


def trial(index: int, random: np.random.Generator, epochs: int) -> TrialResult:
    rate = float(np.exp(random.uniform(-6, -1)))
    values = learning(epochs, 0.96 - 0.02 * abs(math.log(rate) + 2), 0.3)
    status, why, cut = JobStatus.COMPLETED, "", None
    if index % 4 == 3:
        values, status, why, cut = values[:4], JobStatus.CANCELED, WHY, 4
    if index % 17 == 5:
        values, status, why, cut = values[:3], JobStatus.FAILED, "exit code 1", None
    return TrialResult(
        name=f"sweep_1_{index}",
        status=status,
        parameters={
            "batch_size": int(random.choice([32, 64, 128])),
            "first_layer_neurons": int(random.choice([16, 64, 128, 256, 512])),
            "second_layer_neurons": int(random.choice([16, 64, 256, 512])),
            "learning_rate": rate,
        },
        best=float(values.max()),
        last=float(values[-1]),
        events=len(values),
        why=why,
        cut=cut,
        log=f"/jobs/sweep_1_{index}/user_logs/std_log.txt",
        metrics={METRIC: points(values)},
        duration_s=10.0 + index,
    )


def sweep_job(trials: int = 8, epochs: int = 20) -> JobResult:
    random = np.random.default_rng(3)
    results = [trial(index, random, epochs) for index in range(trials)]
    best = max(results, key=lambda result: result.best or 0)
    return JobResult(
        "sweep_1", JobStatus.COMPLETED, metrics=best.metrics, trials=results, best=best.name
    )


def at_interval(job: JobResult, interval: int) -> JobResult:
    """Return a sweep as it was when its trials had logged `interval` values."""

    def earlier(result: TrialResult) -> TrialResult:
        if result.events <= interval:
            return result
        values = [point.value for point in result.metrics[METRIC][:interval]]
        return replace(
            result,
            status=JobStatus.RUNNING,
            best=max(values),
            last=values[-1],
            events=interval,
            why="",
            metrics={METRIC: points(values)},
        )

    trials = [earlier(result) for result in job.trials]
    return replace(job, status=JobStatus.RUNNING, trials=trials)


def record(stage: Stage = Stage.train, **changes: Any) -> Record:
    return Record(
        stage=stage,
        name=f"{stage.value}_1",
        status=JobStatus.COMPLETED,
        started="2025-01-02T03:04:05+00:00",
        duration_s=12.3,
    ).with_changes(**changes)


def sweep_record(trials: int = 8, **changes: Any) -> Record:
    job = sweep_job(trials)
    best = job.best_trial
    assert best is not None
    entries = [
        {
            "name": one.name,
            "status": one.status.value,
            "parameters": dict(one.parameters),
            "best": one.best,
            "last": one.last,
            "why": one.why,
            "log": one.log,
        }
        for one in job.trials
    ]
    winner = {"name": best.name, "value": best.best, "parameters": dict(best.parameters)}
    return record(Stage.sweep, trials=entries, best=winner, **changes)


def pipe(width: int = 80) -> Console:
    """Return a console that is not a terminal; `written` returns its output."""
    return Console(file=io.StringIO(), width=width, color_system=None)


def terminal(
    width: int = 80, height: int = 24, environ: Mapping[str, str] | None = None, **options: Any
) -> Console:
    return Console(
        file=io.StringIO(),
        force_terminal=True,
        width=width,
        height=height,
        _environ=environ or {"TERM": "xterm-256color"},
        **options,
    )


def written(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()
