"""What the tutorial's command, `stage=all`, prints and writes."""

import json
from pathlib import Path
from typing import Any

import psutil
import pytest
from mlflow import MlflowClient

from tests.support.command_line import Cli
from tests.support.tutorial import TUTORIAL_GROUP
from tests.support.waiting import eventually

pytestmark = pytest.mark.xdist_group(TUTORIAL_GROUP)

STAGES = ("compute", "train", "sweep", "register", "deploy", "invoke", "cleanup")
PNG = b"\x89PNG\r\n\x1a\n"


def record(cli: Cli, stage: str) -> dict[str, Any]:
    """Return the one record of a stage."""
    (found,) = cli.records(stage)
    return found


def test_every_stage_writes_a_record_in_a_subfolder(tutorial: Cli) -> None:
    (run,) = tutorial.outputs.glob("runs/*/*-all")
    for stage in STAGES:
        content = json.loads((run / stage / "run.json").read_text(encoding="utf-8"))
        assert (content["stage"], content["status"]) == (stage, "Completed")
    assert record(tutorial, "all")["status"] == "Completed"


def test_the_best_trial_is_registered_and_good(tutorial: Cli) -> None:
    sweep, register = record(tutorial, "sweep"), record(tutorial, "register")
    values = [trial["best"] for trial in sweep["trials"]]
    assert sweep["best"]["value"] == max(values)
    assert register["model"]["job"] == sweep["best"]["name"]
    assert register["metrics"]["test_acc"] >= 0.93


def test_predictions_are_mostly_right_and_drawn(tutorial: Cli) -> None:
    invoke = record(tutorial, "invoke")
    assert len(invoke["predictions"]["predicted"]) == 30
    assert invoke["metrics"]["sample_accuracy"] >= 0.8
    figures = [
        path
        for stage in STAGES
        for path in record(tutorial, stage)["paths"].values()
        if path.endswith(".png")
    ]
    assert len(figures) == 7
    assert all(Path(path).read_bytes().startswith(PNG) for path in figures)


def test_each_job_has_a_page_and_the_summary_names_that_of_the_sweep(tutorial: Cli) -> None:
    for stage in ("train", "sweep"):
        page = Path(record(tutorial, stage)["paths"]["report"])
        assert (page.parent / "run.json").exists()
        assert f"{stage} {record(tutorial, stage)['name']}" in page.read_text(encoding="utf-8")
    assert record(tutorial, "all")["paths"]["report"] == str(page)


def test_mlflow_shows_the_data_and_the_figures_of_the_sweep(tutorial: Cli) -> None:
    store = MlflowClient(f"sqlite:///{tutorial.outputs}/mlflow.db")
    for stage in ("train", "sweep"):
        name = record(tutorial, stage)["name"]
        (run,) = store.search_runs(["1"], f"tags.`azureml.job` = '{name}'")
        (data,) = run.inputs.dataset_inputs
        assert data.dataset.name.startswith("data_folder (")
    assert "report.html" in {artifact.path for artifact in store.list_artifacts(run.info.run_id)}
    figures = {artifact.path for artifact in store.list_artifacts(run.info.run_id, "figures")}
    assert {"figures/sweep.png", "figures/parallel_coordinates.png"} <= figures


def commands_about(folder: Path) -> list[str]:
    """Return the command lines of the processes that name a folder."""
    lines = [" ".join(one.info["cmdline"] or []) for one in psutil.process_iter(["cmdline"])]
    return [line for line in lines if str(folder) in line]


def test_no_process_and_no_endpoint_is_left(tutorial: Cli) -> None:
    eventually(lambda: not commands_about(tutorial.folder))
    assert list((tutorial.outputs / "endpoints").iterdir()) == []


def test_a_job_folder_has_no_temporary_files(tutorial: Cli) -> None:
    folder = Path(record(tutorial, "train")["paths"]["folder"])
    assert {path.name for path in folder.iterdir()} <= {
        ".lock",
        "artifacts",
        "job.json",
        "logs",
        "outputs",
        "user_logs",
        "named_outputs",
    }


def test_the_summary_names_model_accuracy_and_figures(tutorial: Cli) -> None:
    text = (tutorial.folder / "stdout.txt").read_text(encoding="utf-8")
    assert "run-model-example:1" in text
    assert "test_acc=" in text
    assert "predictions.png" in text
