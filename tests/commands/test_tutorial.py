"""The main job, `stage=all`, on real digits with the real trainer."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.conftest import Cli

pytestmark = pytest.mark.xdist_group("tutorial")

STAGES = ("compute", "train", "sweep", "register", "deploy", "invoke", "cleanup")
PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, make_cli: Callable[[Path], Cli]) -> Cli:
    """A folder in which the whole flow has been run."""
    cli = make_cli(tmp_path_factory.mktemp("whole"))
    done = cli.ok("stage=all", "sweep=quick")
    (cli.folder / "stdout.txt").write_text(done.stdout, encoding="utf-8")
    return cli


def record(cli: Cli, stage: str) -> dict[str, Any]:
    """Return the one record of a stage."""
    (found,) = cli.records(stage)
    return found


def test_every_stage_leaves_a_record_in_a_subfolder(whole: Cli) -> None:
    (run,) = whole.outputs.glob("runs/*/*-all")
    for stage in STAGES:
        content = json.loads((run / stage / "run.json").read_text(encoding="utf-8"))
        assert (content["stage"], content["status"]) == (stage, "Completed")
    assert record(whole, "all")["status"] == "Completed"


def test_the_best_trial_is_registered_and_good(whole: Cli) -> None:
    sweep, register = record(whole, "sweep"), record(whole, "register")
    values = [trial["best"] for trial in sweep["trials"]]
    assert sweep["best"]["value"] == max(values)
    assert register["model"]["job"] == sweep["best"]["name"]
    assert register["metrics"]["test_acc"] >= 0.93


def test_predictions_are_mostly_right_and_drawn(whole: Cli) -> None:
    invoke = record(whole, "invoke")
    assert len(invoke["predictions"]["predicted"]) == 30
    assert invoke["metrics"]["sample_accuracy"] >= 0.8
    figures = [
        path
        for stage in STAGES
        for path in record(whole, stage)["paths"].values()
        if path.endswith(".png")
    ]
    assert len(figures) == 7
    assert all(Path(path).read_bytes().startswith(PNG) for path in figures)


def test_nothing_still_runs_and_no_endpoint_is_left(whole: Cli) -> None:
    commands = [" ".join(p.info["cmdline"] or []) for p in psutil.process_iter(["cmdline"])]
    assert not any(str(whole.folder) in command for command in commands)
    assert list((whole.outputs / "endpoints").iterdir()) == []


def test_only_what_a_job_keeps_is_left_of_it(whole: Cli) -> None:
    folder = Path(record(whole, "train")["paths"]["folder"])
    assert {path.name for path in folder.iterdir()} <= {
        ".lock",
        "job.json",
        "logs",
        "outputs",
        "user_logs",
        "named_outputs",
    }


def test_the_summary_names_model_accuracy_and_figures(whole: Cli) -> None:
    text = (whole.folder / "stdout.txt").read_text(encoding="utf-8")
    assert "run-model-example:1" in text
    assert "test_acc=" in text
    assert "predictions.png" in text


def test_the_same_seed_gives_the_same_model(whole: Cli) -> None:
    whole.ok("stage=train")
    first, second = whole.records("train")
    assert first["metrics"] == second["metrics"]
