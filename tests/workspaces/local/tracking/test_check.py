"""A store that cannot be used is one line before anything starts."""

import fcntl
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from mnist_exp.errors import OutputsError
from mnist_exp.specs import ModelSpec
from mnist_exp.workspaces.local.tracking import database
from mnist_exp.workspaces.local.tracking.database import LOCK_NAME, STORE_NAME, check_store
from mnist_exp.workspaces.local.workspace import LocalWorkspace
from tests.support.small_jobs import sweep_job
from tests.support.watching import Watcher


def said(outputs: Path) -> list[str]:
    lines: list[str] = []
    check_store(outputs, lines.append)
    return lines


def long_folder(parent: Path, size: int) -> Path:
    """Return a folder whose path has a number of bytes. The folder does not exist."""
    missing = size - len(str(parent)) - 1
    return parent / "/".join(["x" * 99] * (missing // 100) + ["y" * (missing % 100)]).strip("/")


def test_a_path_that_is_too_long_for_sqlite_is_refused(tmp_path: Path) -> None:
    assert said(long_folder(tmp_path, 489)) == []
    for size in (490, 492, 600):
        outputs = long_folder(tmp_path, size)
        with pytest.raises(OutputsError, match=rf"at most 504 bytes, .* got {size + 15} bytes"):
            check_store(outputs, print)
        assert not outputs.exists()


@pytest.mark.external
def test_the_limit_is_the_limit_of_sqlite(tmp_path: Path) -> None:
    for size, is_possible in ((489, True), (490, False)):
        outputs = long_folder(tmp_path, size)
        outputs.mkdir(parents=True)
        store = outputs / database.NEW_STORE_NAME
        try:
            with closing(sqlite3.connect(store)) as connection:
                connection.execute("CREATE TABLE t (x)")
        except sqlite3.OperationalError:
            assert not is_possible
        else:
            assert is_possible


@pytest.mark.external
def test_a_store_that_is_no_database_is_refused_before_a_job_starts(tmp_path: Path) -> None:
    workspace, store = LocalWorkspace(tmp_path), tmp_path / STORE_NAME
    specs = (
        sweep_job("true", {"x": {"type": "choice", "values": [1]}}),
        ModelSpec("model", "job", "outputs/model"),
    )
    store.mkdir()
    for spec in specs:
        with pytest.raises(OutputsError, match=r"mlflow\.db must be a file, got a folder; rename"):
            workspace.check(spec, Watcher())
    store.rmdir()
    store.write_text("no database " * 100)
    for spec in specs:
        with pytest.raises(
            OutputsError, match=r"mlflow\.db failed: file is not a database; restore"
        ):
            workspace.check(spec, Watcher())


@pytest.mark.external
def test_a_lock_of_another_program_is_said_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "_NOTICE_S", 0.01)
    monkeypatch.setattr(database, "_BUSY_S", 0.02)
    store, lines = tmp_path / STORE_NAME, list[str]()
    with closing(sqlite3.connect(store)) as other:
        other.execute("CREATE TABLE t (x)")
        assert said(tmp_path) == []
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(OutputsError, match=r"database is locked; close the other program"):
            check_store(tmp_path, lines.append)
    assert lines == [f"waiting up to 0 s: another program locks the MLflow store {store}"]
    with (tmp_path / LOCK_NAME).open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert said(tmp_path) == [
            f"waiting for another command that creates or moves the MLflow store {store}"
        ]
    assert said(tmp_path) == []
