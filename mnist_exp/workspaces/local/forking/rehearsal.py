"""MLflow's first calls, made once before the forks instead of once in each of them.

A client's first call reads all of the store's migrations, compares the tables, maps classes to
them and compiles every query: a tenth of a second of work that does not differ from trial to
trial. It is done here on an empty copy of the store's tables, in memory, so the store itself sees
nothing of it and no connection to it comes into a fork, which SQLite could not bear:
https://www.sqlite.org/howtocorrupt.html
"""

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from sqlalchemy import event
from sqlalchemy.engine import Engine, make_url

_DIALECT = "sqlite"
#: As long as one connection is open, all connections of this process see the same tables.
_COPY = "file:rehearsal?mode=memory&cache=shared"
#: Seconds that whoever has started this may yet take to make the store: it imports MLflow too.
_PATIENCE_S = 3.0
_LOOK_S = 0.02
_TABLES = "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%'"


def rehearse() -> None:
    """Make the calls on behalf of the store that the environment names."""
    uri = os.environ.get("MLFLOW_TRACKING_URI", "")
    if not uri.startswith(_DIALECT):
        return
    store = Path(str(make_url(uri).database))
    deadline = time.monotonic() + _PATIENCE_S
    while not store.exists():
        if time.monotonic() > deadline:
            return
        time.sleep(_LOOK_S)
    with closing(sqlite3.connect(_COPY, uri=True)) as copy, _redirected():
        _copy_tables(store, copy)
        _call(MlflowClient(uri))


def _copy_tables(store: Path, copy: sqlite3.Connection) -> None:
    with closing(sqlite3.connect(store)) as kept:
        for (statement,) in kept.execute(_TABLES).fetchall():
            copy.execute(statement)
        version = kept.execute("SELECT version_num FROM alembic_version").fetchone()
    copy.execute("INSERT INTO alembic_version VALUES (?)", version)
    copy.commit()


@contextmanager
def _redirected() -> Iterator[None]:
    """Have all connections go to the copy, and leave none open."""

    def connect(*_: Any) -> sqlite3.Connection:
        return sqlite3.connect(_COPY, uri=True, check_same_thread=False)

    event.listen(Engine, "do_connect", connect)
    try:
        yield
    finally:
        event.remove(Engine, "do_connect", connect)
        for engine in SqlAlchemyStore._engine_map.values():
            engine.dispose()


def _call(client: MlflowClient) -> None:
    """Do what scripts do."""
    run_id = client.create_run(client.create_experiment("rehearsal")).info.run_id
    client.update_run(run_id, status="RUNNING")
    client.log_param(run_id, "parameter", 0)
    client.log_metric(run_id, "metric", 0.0, step=1)
    client.set_tag(run_id, "tag", "")
    client.log_batch(
        run_id,
        [Metric("another", 0.0, int(time.time()), 1), Metric("metric", 1.0, int(time.time()), 2)],
        [Param("another", "")],  # type: ignore[no-untyped-call]
        [RunTag("another", "")],  # type: ignore[no-untyped-call]
    )
    client.get_metric_history(run_id, "metric")
    client.get_run(run_id)
    client.set_terminated(run_id)
