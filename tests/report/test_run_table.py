"""The table of past runs, in terminals of two widths and in a pipe."""

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console

from mnist_exp.config import RunOrder, RunsConfig, Stage
from mnist_exp.past_runs import PastRun, selected
from mnist_exp.report.run_table import print_runs, print_side_by_side
from mnist_exp.status import JobStatus
from tests.support.sample_results import pipe, record, terminal, written

WIDE = "model=wide model.epochs=2"


def runs() -> list[PastRun]:
    completed = record(
        name="train_20261130_200814_90a40f",
        metrics={"acc": 0.74512},
        primary_metric="acc",
        overrides=["stage=train", *WIDE.split()],
    )
    now = datetime.now(UTC).isoformat()
    running = record(name="train_2", status=JobStatus.RUNNING, started=now, overrides=["[bold]=1"])
    return [PastRun([one], [Path("folder")]) for one in (completed, running)]


def lines(console: Console, hidden: int = 0) -> list[str]:
    print_runs(runs(), console, hidden)
    return re.sub(r"\x1b\[[0-9;]*m", "", written(console)).splitlines()


def test_the_changes_stand_where_the_terminal_has_room() -> None:
    wide, narrow = lines(terminal(120)), lines(terminal(80))
    assert wide[0].split() == ["name", "stage", "status", "started", "time", "metric", "changes"]
    assert wide[1].endswith(f"0.7451  {WIDE}")
    assert wide[2].endswith("-  [bold]=1")
    assert wide[3] == "metric: the last value of acc; for a sweep, the best trial's"
    assert narrow[2] == f"  {WIDE}"
    assert narrow[1] == wide[1].removesuffix(f"  {WIDE}")
    assert max(map(len, narrow)) <= 80


def test_a_pipe_gets_one_line_for_each_run() -> None:
    assert lines(pipe(80)) == lines(terminal(120))
    assert lines(pipe(80), hidden=3)[0] == "3 more runs above; runs.limit=null lists all runs"


def test_only_jobs_have_a_growing_time() -> None:
    # The command of this stage may have been killed.
    deploy = record(Stage.deploy, status=JobStatus.RUNNING, duration_s=None)
    console = pipe(80)
    print_runs([PastRun([deploy], [])], console)
    assert written(console).splitlines()[1].split()[-2:] == ["-", "-"]


def test_each_value_has_its_metric_if_the_metrics_differ() -> None:
    metrics = {"acc": 0.5, "loss": 2.0}
    both = [
        PastRun([record(metrics=metrics, primary_metric=name)], [Path("folder")])
        for name in ("acc", "loss")
    ]
    console = pipe(80)
    print_runs(both, console)
    assert [line.split("  ")[-1].strip() for line in written(console).splitlines()[1:3]] == [
        "acc 0.5",
        "loss 2",
    ]


def test_the_best_value_of_the_most_frequent_metric_comes_last() -> None:
    def run(name: str, metric: str, value: float, **changes: Any) -> PastRun:
        found = record(name=name, metrics={metric: value}, primary_metric=metric, **changes)
        return PastRun([found], [Path(name)])

    found = [
        run("failed", "acc", 9, status=JobStatus.FAILED),
        run("best", "acc", 0.9),
        run("other", "score", 4),
        run("low", "acc", 0.1),
        run("high", "loss", 3),
        run("lost", "loss", 1, stage=Stage.sweep, goal="minimize"),
    ]
    ordered = selected(found, RunsConfig(order=RunOrder.metric))
    names = [one.record.name for one in ordered]
    assert names == ["failed", "other", "high", "lost", "low", "best"]


def test_runs_stand_side_by_side() -> None:
    given = {"optimizer": "sgd", "epochs": 2, "neurons": 512, "seed": 7}
    wide = record(name="wide", parameters=given, metrics={"loss": 0.25})
    found = {"neurons": 64, "seed": 7}
    sweep = record(name="sweep", parameters=found, metrics={"loss": 0.5, "acc": 0.9})
    console = pipe(80)
    print_side_by_side([PastRun([one], []) for one in (wide, sweep)], console)
    rows = [line.split() for line in written(console).splitlines()]
    assert rows[:3] == [["1", "wide"], ["2", "sweep"], []]
    assert rows[3:] == [
        ["run", "1", "2"],
        ["status", "Completed", "Completed"],
        ["time", "12.3", "s", "12.3", "s"],
        ["optimizer", "sgd", "-"],
        ["epochs", "2", "-"],
        ["neurons", "512", "64"],
        ["loss", "0.25", "0.5"],
        ["acc", "-", "0.9"],
        ["equal:", "seed=7"],
    ]


def test_the_inputs_that_a_sweep_does_not_vary_are_in_its_config(tmp_path: Path) -> None:
    inputs = {"neurons": 256, "epochs": 20, "data": {"path": "{{data}}"}, "token": None}
    (tmp_path / "config.json").write_text(json.dumps({"job": {"inputs": inputs}}))
    sweep = PastRun([record(parameters={"neurons": 64})], [tmp_path])
    assert sweep.parameters == {"neurons": 64, "epochs": 20}
    (tmp_path / "config.json").write_text("[1")
    assert PastRun([record(parameters={"neurons": 64})], [tmp_path]).parameters == {"neurons": 64}


def test_many_runs_fit_a_narrow_terminal() -> None:
    console = pipe(50)
    print_side_by_side([PastRun([record(name=f"train_{one}")], []) for one in range(9)], console)
    lines = written(console).splitlines()
    assert max(map(len, lines)) <= 50
    headings = [line for line in lines if line.startswith("run")]
    assert len(headings) > 1
    numbers = " ".join(headings).replace("run", "").split()
    assert numbers == [str(number) for number in range(1, 10)]
