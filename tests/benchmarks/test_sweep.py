"""Sweeps of two small trials; the figures are not judged."""

import json
import shutil

import pytest
from mlflow.tracking import MlflowClient

from benchmarks import optuna_threads
from benchmarks import sweep as module
from benchmarks.sweep import SWEEP_RIVALS, sweep

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


def test_our_sweep_runs_the_trainer_in_its_own_process(sample, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "SPACE", SPACE)
    assert SWEEP_RIVALS["ours"](sample, 1, tmp_path) > 0
    for trial in range(2):
        outputs = tmp_path / "outputs" / "jobs" / f"sweep_{trial}" / "outputs"
        evaluation = json.loads((outputs / "evaluation.json").read_text(encoding="utf-8"))
        assert evaluation["test_acc"] > 0.2


@pytest.mark.parametrize("is_tracked", [True, False])
def test_optuna_trains_each_configuration_in_threads(
    sample, tmp_path, monkeypatch, empty_store, is_tracked
):
    monkeypatch.setattr(optuna_threads, "SPACE", SPACE)
    if not is_tracked:
        optuna_threads.main(sample, 1, None)
        assert list(tmp_path.iterdir()) == []
        return
    shutil.copyfile(empty_store, tmp_path / optuna_threads.STORE_NAME)
    optuna_threads.main(sample, 1, tmp_path)
    client = MlflowClient(f"sqlite:///{tmp_path / optuna_threads.STORE_NAME}")
    runs = [run for run in client.search_runs(["0"]) if "trial" in run.info.run_name]
    assert {run.data.params["batch_size"] for run in runs} == {"64", "128"}
    assert all(run.data.metrics["validation_acc"] > 0.2 for run in runs)
    assert (tmp_path / "trial_0" / "model" / "saved_model.pb").is_file()
