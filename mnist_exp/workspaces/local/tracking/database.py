"""Read the database file of an MLflow store without MLflow.

MLflow's client would open a transaction and send several queries for each metric of each run. The
database gives each logged value a row number, in order of arrival, across all runs. One query with
the last known row number therefore finds all new values.
"""

import math
import os
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from mnist_exp.errors import OutputsError
from mnist_exp.file_locks import is_locked
from mnist_exp.metrics import MetricPoint, from_store
from mnist_exp.workspaces.local.jobs.environment import JOB_RUN, PARENT
from mnist_exp.workspaces.local.tracking.sources import LoggedModel

STORE_NAME = "mlflow.db"
#: Name of the folder with the artifacts of all runs, beside the store.
ARTIFACTS_NAME = "mlartifacts"

_QUERY = """
SELECT rowid, run_uuid, key, value, step, is_nan FROM metrics WHERE rowid > ? ORDER BY rowid
"""
_HISTORY = """
SELECT key, value, step, is_nan FROM metrics WHERE run_uuid = ? ORDER BY key, timestamp, step
"""
#: The runs that a job's script created, besides the job's own run: the runs with the tag `JOB_RUN`,
#: and the runs that are nested in the job's run, at any depth.
_CREATED = """
WITH RECURSIVE created(id) AS (
    SELECT run_uuid FROM tags WHERE key IN (:parent, :job_run) AND value = :run
    UNION
    SELECT tags.run_uuid FROM tags JOIN created ON value = id WHERE key = :parent
)
"""
_SCRIPT_RUNS = f"""{_CREATED}
SELECT run_uuid, status FROM runs JOIN created ON run_uuid = id WHERE lifecycle_stage = 'active'
"""  # noqa: S608
_METRIC_NAMES = "SELECT key FROM latest_metrics WHERE run_uuid = ?"
#: The fields of `LoggedModel` for each complete model that a job's script has logged, oldest first.
_LOGGED_MODELS = f"""{_CREATED}
SELECT models.name, model_id, models.artifact_location, source_run_id, runs.name,
coalesce(step, 0), source_run_id = :run
FROM logged_models AS models JOIN runs ON run_uuid = source_run_id
LEFT JOIN inputs ON inputs.source_type = 'RUN_OUTPUT' AND source_id = run_uuid
AND destination_id = model_id
WHERE (source_run_id = :run OR source_run_id IN created) AND models.status = :ready
AND models.lifecycle_stage = 'active' ORDER BY creation_timestamp_ms, models.rowid
"""  # noqa: S608
#: MLflow's number for the status of a logged model whose files are complete.
_READY = 2
#: Maximum seconds to wait while another process writes. MLflow has the same limit.
_BUSY_S = 20.0
#: Seconds to wait for a locked store before a message is printed.
_NOTICE_S = 1.0
#: Maximum number of bytes of the path of a database, with the suffix of its journal. The limit is
#: MAX_PATHNAME in SQLite's os_unix.c.
_LONGEST_PATH = 512
_JOURNAL = "-journal"
#: Temporary name of a store while MLflow creates the tables.
NEW_STORE_NAME = f".{STORE_NAME}.new"
LOCK_NAME = f".{STORE_NAME}.lock"


def store_uri(store: Path) -> str:
    """Return the tracking URI of a database file."""
    # Escape `%` and `?`, because SQLAlchemy parses the path as a part of a URL.
    return "sqlite:///" + str(store).replace("%", "%25").replace("?", "%3F")


@dataclass(frozen=True)
class ScriptRuns:
    """The MLflow runs that a job's script created, besides the job's own run.

    Attributes:
        ids: The ids of the runs.
        running: The ids of the runs with the status RUNNING.
        metrics: The metrics that the script logged only to these runs, and not to the job's run.
        models: The complete models that the script logged to any run, oldest first.
    """

    ids: Sequence[str]
    running: Sequence[str]
    metrics: Sequence[str]
    models: Sequence[LoggedModel]


def check_store(outputs: Path, say: Callable[[str], None]) -> None:
    """Check that the store can be opened and written, before MLflow opens it.

    If MLflow cannot open a store, it tries again for minutes, without a message.

    Args:
        outputs: The resolved outputs folder, which may not exist yet.
        say: The function that prints a message if the command has to wait.

    Raises:
        OutputsError: The store cannot be opened or written.
    """
    store = outputs / STORE_NAME
    path = store if store.exists() else outputs / NEW_STORE_NAME
    size, most = len(os.fsencode(path)), _LONGEST_PATH - len(_JOURNAL)
    if size > most:
        raise OutputsError(
            f"outputs_dir: the path of the MLflow store must have at most {most} bytes, because "
            f"SQLite opens no longer path, got {size} bytes: {path}; choose a shorter path with "
            "outputs_dir=DIR"
        )
    if store.is_dir():
        raise OutputsError(
            f"outputs_dir: the MLflow store {store} must be a file, got a folder; rename the "
            "folder, or choose another folder with outputs_dir=DIR"
        )
    if is_locked(outputs / LOCK_NAME):
        say(f"waiting for another command that creates or moves the MLflow store {store}")
    if not store.exists():
        return
    try:
        _try_to_write(store, _NOTICE_S)
    except sqlite3.OperationalError as error:
        if not _is_busy(error):
            raise _store_error(store, error) from error
        say(f"waiting up to {_BUSY_S:.0f} s: another program locks the MLflow store {store}")
        with _mapped_errors(store):
            _try_to_write(store, _BUSY_S)
    except sqlite3.Error as error:
        raise _store_error(store, error) from error


def _try_to_write(store: Path, seconds: float) -> None:
    """Begin to write the store, and change nothing."""
    with closing(_connection(store, seconds)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        connection.rollback()


def _is_busy(error: sqlite3.Error) -> bool:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in (
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
    )


def script_runs(store: Path, run_id: str) -> ScriptRuns:
    """Return the runs that the script of a job created, and what the script logged.

    Args:
        store: The database file, which must exist.
        run_id: The id of the job's run.
    """
    with connected(store) as connection:
        keys = {"parent": PARENT, "job_run": JOB_RUN, "run": run_id}
        found: dict[str, str] = dict(connection.execute(_SCRIPT_RUNS, keys).fetchall())

        def names(run: str) -> set[str]:
            return {name for (name,) in connection.execute(_METRIC_NAMES, (run,))}

        metrics = set().union(*map(names, found)) - names(run_id) if found else set()
        rows = connection.execute(_LOGGED_MODELS, {**keys, "ready": _READY}).fetchall()
    running = [run for run, status in found.items() if status == "RUNNING"]
    models = [LoggedModel(*row) for row in rows]
    return ScriptRuns(list(found), running, sorted(metrics), models)


def logged_metrics(store: Path, run_id: str) -> dict[str, list[MetricPoint]]:
    """Return every point of every metric of a run; empty if the store does not exist."""
    found: dict[str, list[MetricPoint]] = {}
    if store.exists():
        with connected(store) as connection:
            for name, value, step, is_nan in connection.execute(_HISTORY, (run_id,)):
                point = MetricPoint(name, math.nan if is_nan else from_store(value), step)
                found.setdefault(name, []).append(point)
    return found


class MetricReader:
    """A reader for the metrics of all runs, in order of arrival.

    Args:
        store: The database file, which must exist.
        row: The number of the last row that was read before. With None, the reader skips all rows
            that exist now.
    """

    def __init__(self, store: Path, row: int | None = None) -> None:
        self._store = store
        with _mapped_errors(store):
            self._connection = _connection(store)
            self._row = self._last_row() if row is None else row

    def read(self, trials: Mapping[str, int]) -> list[MetricPoint]:
        """Return the points that the given runs have logged since the last call.

        The query takes only microseconds and can be repeated every few milliseconds.

        Args:
            trials: MLflow run id -> index of the trial. Points of runs that are not in this mapping
                are skipped, and later calls do not return them.
        """
        with _mapped_errors(self._store):
            found = self._connection.execute(_QUERY, (self._row,)).fetchall()
        if found:
            self._row = found[-1][0]
        return [
            MetricPoint(name, math.nan if is_nan else from_store(value), step, trials[run], row)
            for row, run, name, value, step, is_nan in found
            if run in trials
        ]

    def close(self) -> None:
        """Close the database."""
        self._connection.close()

    def _last_row(self) -> int:
        found = self._connection.execute("SELECT max(rowid) FROM metrics").fetchone()
        return int(found[0] or 0)


@contextmanager
def connected(store: Path) -> Iterator[sqlite3.Connection]:
    """Open a database file, and close the file when the context ends.

    Raises:
        OutputsError: The database cannot be opened, read or written.
    """
    with _mapped_errors(store), closing(_connection(store)) as connection:
        yield connection


def _connection(store: Path, seconds: float | None = None) -> sqlite3.Connection:
    # Open the file also for writing. If a process was killed while it wrote, SQLite must roll back
    # the transaction of the killed process before the file can be read.
    return sqlite3.connect(
        f"file:{quote(str(store))}?mode=rw",
        uri=True,
        timeout=_BUSY_S if seconds is None else seconds,
    )


@contextmanager
def _mapped_errors(store: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise _store_error(store, error) from error


def is_damaged(error: Exception) -> bool:
    """Return whether an error means that the store's file is not a valid database."""
    return any(text in str(error) for text in ("not a database", "malformed"))


def _store_error(store: Path, error: sqlite3.Error) -> OutputsError:
    remedy = "make space on the disk"
    if is_damaged(error):
        remedy = "restore the store that belongs to these outputs"
    if _is_busy(error):
        remedy = "close the other program that uses the store"
    return OutputsError(
        f"outputs_dir: the MLflow store {store} failed: {error}; "
        f"{remedy} or choose another folder with outputs_dir=DIR"
    )
