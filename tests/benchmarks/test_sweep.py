"""Sweeps of two small trials; the figures are not judged."""

import json
import runpy
import shutil
import sys

import pytest
from mlflow.tracking import MlflowClient

from benchmarks import contestants
from benchmarks import sweep as module
from benchmarks.sweep import SWEEP_RIVALS, sweep
from mnist_exp.workspaces.local.tracking.database import STORE_NAME

SPACE = {"batch_size": [64, 128], "learning_rate": [0.1], "first_layer_neurons": [16]}


def test_each_rival_has_its_turns(written, tmp_path, monkeypatch, capsys):
    turns = []

    def rival(name):
        def run(data, epochs, folder):
            assert list(folder.iterdir()) == []
            turns.append((name, data, epochs))
            return float(len(turns))

        return run

    names = ["ours", "optuna threads"]
    monkeypatch.setattr(module, "SWEEP_RIVALS", {name: rival(name) for name in names})
    sweep(tmp_path, 3, 2, names)
    assert [name for name, *_ in turns] == names * 2
    assert written()["seconds"] == {"ours": [1.0, 3.0], "optuna threads": [2.0, 4.0]}
    assert "1.50" in capsys.readouterr().out


@pytest.fixture
def ready_store(monkeypatch, empty_store):
    """Let a benchmark copy an MLflow store: MLflow needs seconds to create a store."""

    def prepare(folder):
        folder.mkdir(exist_ok=True)
        shutil.copyfile(empty_store, folder / STORE_NAME)

    monkeypatch.setattr(module, "prepare_store", prepare)


def test_our_sweep_runs_the_trainer_in_its_own_process(ready_store, sample, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "SPACE", SPACE)
    assert SWEEP_RIVALS["ours"](sample, 1, tmp_path) > 0
    for trial in range(2):
        outputs = tmp_path / "outputs" / "jobs" / f"sweep_{trial}" / "outputs"
        evaluation = json.loads((outputs / "evaluation.json").read_text(encoding="utf-8"))
        assert evaluation["test_acc"] > 0.2


@pytest.fixture
def in_this_process(monkeypatch, ready_store):
    """Run a rival's module here: its own process would only import TensorFlow again."""

    def run(name, *words):
        monkeypatch.setattr(sys, "argv", [name, *words])
        runpy.run_module(name, run_name="__main__")
        return 1.0, ""

    monkeypatch.setattr(module, "_in_one_process", run)
    monkeypatch.setattr(contestants, "SPACE", SPACE)


def test_optuna_trains_each_configuration_in_threads(in_this_process, sample, tmp_path):
    assert SWEEP_RIVALS["optuna threads, tracked"](sample, 1, tmp_path) == 1.0
    client = MlflowClient(f"sqlite:///{tmp_path / STORE_NAME}")
    runs = [run for run in client.search_runs(["0"]) if "trial" in run.info.run_name]
    assert {run.data.params["batch_size"] for run in runs} == {"64", "128"}
    assert all(run.data.metrics["validation_acc"] > 0.2 for run in runs)
    assert (tmp_path / "trial_0" / "model" / "saved_model.pb").is_file()


def test_untracked_optuna_saves_nothing(in_this_process, sample, tmp_path):
    assert SWEEP_RIVALS["optuna threads"](sample, 1, tmp_path) == 1.0
    assert list(tmp_path.iterdir()) == []


def test_a_rival_in_one_process_is_timed_and_its_output_returned():
    seconds, output = module._in_one_process("platform", "--terse")
    assert seconds > 0
    assert "Linux" in output
