import shutil
from pathlib import Path

import pytest
from mlflow import MlflowClient

from mnist_exp.workspaces.local.processes.forking.rehearsal import rehearse
from mnist_exp.workspaces.local.tracking.database import STORE_NAME, MetricReader
from mnist_exp.workspaces.local.tracking.store import Tracking


def open_files() -> set[str]:
    found = set()
    for handle in Path("/proc/self/fd").iterdir():
        if handle.is_symlink():
            found.add(str(handle.readlink()))
    return found


def test_the_rehearsal_does_not_touch_the_store_and_later_calls_do(
    tmp_path: Path, empty_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outputs = tmp_path / "out% ?puts"
    outputs.mkdir()
    shutil.copyfile(empty_store, outputs / STORE_NAME)
    job = tmp_path / "job"
    job.mkdir()
    made = Tracking(outputs).start("experiment", "run", job, {})
    # Another spelling of the URI, so that this process has no client for it yet.
    uri = made.tracking_uri.replace("sqlite:///", "sqlite:////")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    before = (outputs / STORE_NAME).read_bytes()
    opened = open_files()

    rehearse()

    assert (outputs / STORE_NAME).read_bytes() == before
    assert open_files() <= opened
    # From the first row, so that the reader would also see a value that the rehearsal logged.
    reader = MetricReader(outputs / STORE_NAME, 0)
    assert reader.read({made.run_id: 0}) == []
    MlflowClient(uri).log_metric(made.run_id, "score", 0.5)
    assert [point.value for point in reader.read({made.run_id: 0})] == [0.5]
    reader.close()


def test_other_stores_have_no_rehearsal(monkeypatch: pytest.MonkeyPatch) -> None:
    # Nothing listens on this port.
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    rehearse()
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    rehearse()
