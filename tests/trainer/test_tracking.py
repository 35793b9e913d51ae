import os
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest
from mlflow.tracking import MlflowClient

from digits.errors import Stopped, TrackingError
from digits.tracking import Tracker, tracked, tracking_uri

VARIABLES = (
    "MLFLOW_TRACKING_URI",
    "MLFLOW_RUN_ID",
    "MLFLOW_EXPERIMENT_ID",
    "MLFLOW_EXPERIMENT_NAME",
)


@pytest.fixture(autouse=True)
def no_mlflow_variables(monkeypatch):
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session")
def store(tmp_path_factory) -> str:
    return f"sqlite:///{tmp_path_factory.mktemp('tracking') / 'mlflow.db'}"


@pytest.fixture
def client(store) -> MlflowClient:
    return MlflowClient(store)


def values(client, run_id, key) -> list[tuple[int, float]]:
    return [(metric.step, metric.value) for metric in client.get_metric_history(run_id, key)]


def test_the_environment_names_the_store(monkeypatch):
    assert tracking_uri() == "sqlite:///mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:5000")
    assert tracking_uri() == "http://127.0.0.1:5000"


def test_creates_a_run_and_ends_it(store, client):
    with tracked(store, {"batch_size": 64}) as tracker:
        tracker.log({"loss": 0.5}, 1)
        tracker.log({"loss": 0.25}, 2)
    run = client.get_run(tracker.run_id)
    assert run.info.status == "FINISHED"
    assert run.data.params == {"batch_size": "64"}
    assert values(client, tracker.run_id, "loss") == [(1, 0.5), (2, 0.25)]


def test_uses_the_experiment_that_the_environment_names(store, client, monkeypatch):
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "digits")
    for _ in range(2):
        with tracked(store, {}) as tracker:
            pass
    experiment = client.get_experiment_by_name("digits")
    assert client.get_run(tracker.run_id).info.experiment_id == experiment.experiment_id


def test_logs_to_the_jobs_run_and_does_not_end_it(store, client, monkeypatch):
    run_id = client.create_run("0").info.run_id
    client.log_param(run_id, "learning_rate", "0.010")
    monkeypatch.setenv("MLFLOW_RUN_ID", run_id)
    with tracked(store, {"learning_rate": 0.01, "epochs": 2}) as tracker:
        tracker.log({"loss": 0.5}, 1)
    assert tracker.run_id == run_id
    run = client.get_run(run_id)
    assert run.info.status == "RUNNING"
    assert run.data.params == {"learning_rate": "0.010", "epochs": "2"}
    # The same number in another spelling.
    assert "goes_on_with.learning_rate" not in run.data.tags


def test_logs_every_step_once(store, client, monkeypatch):
    run_id = client.create_run("0").info.run_id
    monkeypatch.setenv("MLFLOW_RUN_ID", run_id)
    for steps in ((1, 2), (1, 2, 3)):
        with tracked(store, {}) as tracker:
            for step in steps:
                tracker.log({"loss": 1 / step}, step)
    assert values(client, run_id, "loss") == [(1, 1.0), (2, 0.5), (3, 1 / 3)]


def test_resumes_the_run_of_an_earlier_attempt(store, client):
    with pytest.raises(KeyboardInterrupt), tracked(store, {}) as first:
        first.log({"loss": 1.0}, 1)
        raise KeyboardInterrupt
    assert client.get_run(first.run_id).info.status == "KILLED"
    with tracked(store, {}, first.run_id) as second:
        second.log({"loss": 1.0}, 1)
        second.log({"loss": 0.5}, 2)
    assert second.run_id == first.run_id
    assert client.get_run(first.run_id).info.status == "FINISHED"
    assert values(client, first.run_id, "loss") == [(1, 1.0), (2, 0.5)]


def test_a_resumed_run_with_another_value_gets_a_tag(store, client):
    with tracked(store, {"learning_rate": 0.5, "seed": 1}) as first:
        pass
    with tracked(store, {"learning_rate": 0.1, "seed": 1}, first.run_id):
        pass
    run = client.get_run(first.run_id)
    assert run.data.params == {"learning_rate": "0.5", "seed": "1"}
    assert run.data.tags["goes_on_with.learning_rate"] == "0.1"
    assert "goes_on_with.seed" not in run.data.tags


def test_on_open_is_called_for_a_new_run_only(store):
    opened = []
    with tracked(store, {}, on_open=opened.append) as first:
        pass
    assert opened == [first.run_id]
    with tracked(store, {}, first.run_id, opened.append):
        pass
    assert opened == [first.run_id]


def test_a_missing_earlier_run_is_replaced(store, client):
    with tracked(store, {}, "0" * 32) as tracker:
        pass
    assert tracker.run_id != "0" * 32
    assert client.get_run(tracker.run_id).info.status == "FINISHED"


def test_a_failed_block_ends_the_run_as_failed(store, client):
    with pytest.raises(ValueError, match="broken"), tracked(store, {}) as tracker:
        tracker.log({"loss": 1.0}, 1)
        raise ValueError("broken")
    assert client.get_run(tracker.run_id).info.status == "FAILED"
    assert values(client, tracker.run_id, "loss") == [(1, 1.0)]


def test_metrics_that_cannot_be_written_are_an_error(store, monkeypatch):
    monkeypatch.setenv("MLFLOW_RUN_ID", "0" * 32)
    monkeypatch.setattr("digits.tracking._RETRY_SECONDS", 0)
    tracker = Tracker(store, {})
    tracker.log({"loss": 1.0, "validation_acc": 0.5}, 1)
    with pytest.raises(
        TrackingError, match=f"2 metrics could not be written to the MLflow store {store}: .*000"
    ):
        tracker.close("FINISHED", 60.0)


def test_a_store_that_fails_is_reported_with_the_reason_but_no_password(monkeypatch, capsys):
    monkeypatch.setattr("digits.tracking._RETRY_SECONDS", 0)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    # Nobody listens there.
    tracker = Tracker("http://ann:secret@127.0.0.1:9", {})
    with pytest.raises(TrackingError, match=r"//127\.0\.0\.1:9") as caught:
        tracker.close("FINISHED", 60.0)
    said = str(caught.value) + capsys.readouterr().err
    assert "Max retries exceeded" in said
    assert "secret" not in said


def test_a_trial_waits_once_until_its_first_metrics_are_written(store, monkeypatch):
    monkeypatch.setenv("AZUREML_SWEEP_batch_size", "64")
    with tracked(store, {}) as tracker:
        tracker.log({"loss": 1.0}, 1)
        tracker.wait_once(lambda: False)
        assert values(MlflowClient(store), tracker.run_id, "loss") == [(1, 1.0)]
        asked = []
        tracker.wait_once(lambda: bool(asked.append(1)))
        assert asked == []


def test_the_wait_for_the_first_metrics_ends_with_a_stop(monkeypatch):
    monkeypatch.setenv("AZUREML_SWEEP_batch_size", "64")
    # Nobody listens there, and MLflow would retry for minutes.
    tracker = Tracker("http://127.0.0.1:9", {})
    tracker.wait_once(lambda: True)


def test_metrics_that_cannot_be_written_do_not_hide_why_the_run_failed(store, monkeypatch, capsys):
    monkeypatch.setenv("MLFLOW_RUN_ID", "0" * 32)
    monkeypatch.setattr("digits.tracking._RETRY_SECONDS", 0)
    with pytest.raises(ValueError, match="broken"), tracked(store, {}):
        raise ValueError("broken")
    assert "could not be written" in capsys.readouterr().err


def test_a_store_that_does_not_answer_does_not_delay_a_stop(tmp_path, monkeypatch, capsys):
    store = tmp_path / "locked.db"
    with tracked(f"sqlite:///{store}", {}):
        pass
    monkeypatch.setattr("digits.tracking._PARTING_SECONDS", 0.1)
    with closing(sqlite3.connect(store)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(Stopped), tracked(f"sqlite:///{store}", {}) as tracker:
            tracker.log({"loss": 1.0}, 1)
            raise Stopped
    assert "locked.db does not answer: the last metrics may be missing" in capsys.readouterr().err


def test_without_a_store_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with tracked(None, {"epochs": 1}) as tracker:
        tracker.log({"loss": 1.0}, 1)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("absent", "expected"),
    [("mlflow", "None"), ("sqlalchemy", "None"), ("nothing", "sqlite:///mlflow.db")],
)
def test_needs_an_mlflow_that_knows_local_stores(trainer, absent, expected):
    # This finder hides one package, as if only mlflow-skinny were installed.
    code = f"""
import importlib.util
find = importlib.util.find_spec
importlib.util.find_spec = lambda name: None if name == {absent!r} else find(name)
from digits.tracking import tracking_uri
print(tracking_uri())
"""
    environment = {k: v for k, v in os.environ.items() if k not in VARIABLES}
    environment["PYTHONPATH"] = str(trainer)
    command = [sys.executable, "-c", code]
    output = subprocess.run(command, env=environment, capture_output=True, check=True, text=True)
    assert output.stdout.strip() == expected
