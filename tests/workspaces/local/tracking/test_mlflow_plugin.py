"""MLflow's own commands open a store whose outputs folder was moved."""

import tomllib
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from tests.support.local_jobs import LocalJobs
from tests.support.paths import REPOSITORY


def plugin(group: str) -> EntryPoint:
    """Return an entry point of pyproject.toml, which MLflow finds in the installed package."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    ((name, value),) = project["entry-points"][group].items()
    assert name == "sqlite"
    return EntryPoint(name, value, group)


def test_mlflow_sees_the_artifacts_of_a_moved_project(
    jobs: LocalJobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs.run("echo 1 > outputs/a")
    run_id = jobs.tracked().info.run_id
    new = tmp_path / "new"
    jobs.outputs.rename(new)
    monkeypatch.chdir(new)
    store = plugin("mlflow.tracking_store").load()("sqlite:///mlflow.db", "./mlruns")
    assert store.get_run(run_id).info.artifact_uri.startswith(new.as_uri())
    registry = plugin("mlflow.model_registry_store").load()("sqlite:///mlflow.db")
    assert list(registry.search_registered_models()) == []


def test_the_store_of_another_program_is_opened_as_usual(empty_store: Path, tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_bytes(empty_store.read_bytes())
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    store = plugin("mlflow.tracking_store").load()(uri, str(tmp_path))
    assert store.search_experiments()
    assert not (tmp_path / ".location").exists()
