"""A rehearsal of MLflow's first calls: the fork server makes these calls once, before any fork.

At the first call in a process, an MLflow client reads all migrations and checks the version of the
store's tables. The client also maps classes to the tables and compiles every query. This work takes
a tenth of a second and is the same for every trial. After the rehearsal, no fork repeats the work.

The rehearsal uses an empty copy of the store's tables in memory, and writes nothing to the store.
No fork inherits an open connection to the store. An inherited connection could corrupt an SQLite
database: https://www.sqlite.org/howtocorrupt.html
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
#: A database in memory. All connections of this process share the tables. The tables exist while at
#: least one connection is open.
_COPY = "file:rehearsal?mode=memory&cache=shared"
#: Maximum seconds to wait for the store. The command that started this process creates the store,
#: but the command must first import MLflow.
_PATIENCE_S = 3.0
_LOOK_S = 0.02
_TABLES = "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%'"


def rehearse() -> None:
    """Make MLflow's first calls, if MLFLOW_TRACKING_URI names an SQLite file."""
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
    """Redirect all new connections to the copy. At the end, close the redirected connections."""

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
    """Make each kind of call that a trial's script may make."""
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
