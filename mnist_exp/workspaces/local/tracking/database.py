"""Read the database file of an MLflow store without MLflow.

MLflow's client would open a transaction and send several queries for each metric of each run. The
database gives each logged value a row number, in order of arrival, across all runs. One query with
the last known row number therefore finds all new values.
"""

import contextlib
import math
import sqlite3
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import quote

from mnist_exp.errors import OutputsError
from mnist_exp.metrics import MetricPoint, from_store

STORE_NAME = "mlflow.db"
#: Name of the folder with the artifacts of all runs, beside the store.
ARTIFACTS_NAME = "mlartifacts"

_QUERY = """
SELECT rowid, run_uuid, key, value, step, is_nan FROM metrics WHERE rowid > ? ORDER BY rowid
"""
#: Maximum seconds to wait while another process writes. MLflow has the same limit.
_BUSY_S = 20.0


def store_uri(store: Path) -> str:
    """Return the tracking URI of a database file."""
    # Escape `%` and `?`, because SQLAlchemy parses the path as a part of a URL.
    return "sqlite:///" + str(store).replace("%", "%25").replace("?", "%3F")


class MetricReader:
    """A reader for the metrics of all runs, in order of arrival.

    Args:
        store: The database file, which must exist.
        row: The number of the last row that was read before. With None, the reader skips all rows
            that exist now.
    """

    def __init__(self, store: Path, row: int | None = None) -> None:
        self._store = store
        # Open the file for reading and writing. If a process was killed while it wrote, the reader
        # has to roll back the transaction of this process.
        uri = f"file:{quote(str(store))}?mode=rw"
        with self._mapped_errors():
            self._connection = sqlite3.connect(uri, uri=True, timeout=_BUSY_S)
            self._row = self._last_row() if row is None else row

    def read(self, trials: Mapping[str, int]) -> list[MetricPoint]:
        """Return the points that the given runs have logged since the last call.

        The query takes only microseconds and can be repeated every few milliseconds.

        Args:
            trials: MLflow run id -> index of the trial. Points of runs that are not in this mapping
                are skipped, and later calls do not return them.
        """
        with self._mapped_errors():
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

    @contextlib.contextmanager
    def _mapped_errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise OutputsError(
                f"outputs_dir: the MLflow store {self._store} failed: {error}; "
                "free space or choose another folder with outputs_dir="
            ) from error
