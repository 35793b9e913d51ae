"""Move an MLflow store: change the paths in its database after its outputs folder was moved.

MLflow saves absolute paths of artifacts, and has no command to change these paths. The file
`.location` in the outputs folder contains the path that this folder has in the database. Users may
move, rename or copy the folder, or mount the folder at another path.
"""

import contextlib
import fcntl
from collections.abc import Iterator
from pathlib import Path

from mnist_exp.workspaces.local.tracking.database import LOCK_NAME, STORE_NAME, connected

LOCATION_NAME = ".location"
#: Statements that replace the beginning of a location. A location is a URI or a plain path. If the
#: new folder is inside the old folder, the new path begins with the old path. Then the statements
#: skip a location that already begins with the new path, because a killed command may have changed
#: this location. If the old folder is inside the new folder, every location begins with the new
#: path, and the statements must not skip any.
_STATEMENTS = tuple(
    f"UPDATE {table} SET {column} = :new || substr({column}, length(:old) + 1) "  # noqa: S608
    f"WHERE substr({column}, 1, length(:old)) = :old "
    f"AND (substr(:new, 1, length(:old)) != :old OR substr({column}, 1, length(:new)) != :new)"
    for table, column in (
        ("experiments", "artifact_location"),
        ("runs", "artifact_uri"),
        ("logged_models", "artifact_location"),
        ("model_versions", "source"),
        ("model_versions", "storage_location"),
        ("trace_tags", "value"),
    )
)


@contextlib.contextmanager
def store_lock(outputs: Path) -> Iterator[None]:
    """Lock the store against other processes that create the store or change its paths."""
    with (outputs / LOCK_NAME).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def follow_move(outputs: Path) -> None:
    """Change the paths in the database if the outputs folder was moved since the last command.

    Two processes may call this function at the same time.

    Args:
        outputs: The outputs folder, which contains a store.

    Raises:
        OutputsError: The database cannot be read or written.
    """
    outputs = outputs.resolve()
    location = outputs / LOCATION_NAME
    if _saved(location) == outputs:
        return
    with store_lock(outputs):
        # Another process may have changed the paths while this process waited for the lock.
        old = _saved(location)
        # If the folder has two paths, e.g. because of a bind mount, the locations are still valid.
        if old is not None and old != outputs and not _is_same(old, outputs):
            _change_locations(outputs / STORE_NAME, old, outputs)
        _save(location, outputs)


def _change_locations(store: Path, old: Path, new: Path) -> None:
    with connected(store) as database, database:
        for before, after in ((old, new), (old.as_uri(), new.as_uri())):
            for statement in _STATEMENTS:
                database.execute(statement, {"old": f"{before}/", "new": f"{after}/"})


def set_default_location(store: Path, artifacts: Path) -> None:
    """Set the location of MLflow's default experiment in a new store.

    MLflow would save the artifacts of this experiment in the folder `mlruns` of the process that
    created the store.
    """
    location = f"{artifacts.resolve().as_uri()}/0"
    with connected(store) as database, database:
        database.execute("UPDATE experiments SET artifact_location = ?", (location,))


def _is_same(old: Path, new: Path) -> bool:
    try:
        return old.samefile(new)
    except OSError:
        return False


def _saved(location: Path) -> Path | None:
    try:
        return Path(location.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _save(location: Path, outputs: Path) -> None:
    new = location.with_name(f"{LOCATION_NAME}.new")
    new.write_text(str(outputs), encoding="utf-8")
    new.replace(location)
