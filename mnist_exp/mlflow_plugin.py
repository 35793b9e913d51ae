"""A plugin of MLflow that changes the paths in a moved store before MLflow opens the store.

MLflow saves absolute paths. Without this plugin, `mlflow ui` would show no artifacts of a moved
project until a command of mnist-exp has changed these paths. MLflow finds the two functions by the
entry points in pyproject.toml, and calls them instead of MLflow's functions for SQLite:
https://mlflow.org/docs/latest/plugins

MLflow imports this module in every process. The module therefore imports only the standard library
at the top.
"""

import sys
from pathlib import Path
from typing import Any
from urllib.parse import unquote

_STORE_NAME, _LOCATION_NAME = "mlflow.db", ".location"


def tracking_store(store_uri: str, artifact_uri: str | None = None) -> Any:
    """Return MLflow's tracking store for a SQLite file."""
    _follow_move(store_uri)
    # Import late: MLflow loads this module during its own import.
    from mlflow.tracking._tracking_service import utils  # noqa: PLC0415

    # Only the server gives an artifact location. Its store has no default location for a client in
    # the same process.
    handlers = sys.modules.get("mlflow.server.handlers") if artifact_uri else None
    server = getattr(handlers, "TrackingStoreRegistryWrapper", utils)
    return server._get_sqlalchemy_store(store_uri, artifact_uri)


def registry_store(store_uri: str) -> Any:
    """Return MLflow's model registry for a SQLite file."""
    _follow_move(store_uri)
    from mlflow.tracking._model_registry import utils  # noqa: PLC0415

    handlers = sys.modules.get("mlflow.server.handlers")
    server = getattr(handlers, "ModelRegistryStoreRegistryWrapper", utils)
    return server._get_sqlalchemy_store(store_uri)


def _follow_move(store_uri: str) -> None:
    """Change the paths in a store of mnist-exp if its outputs folder was moved."""
    store = Path(unquote(store_uri.removeprefix("sqlite:///").partition("?")[0]))
    # mnist-exp's finished store has this name. A store that is being created has another name.
    if store.name != _STORE_NAME:
        return
    try:
        saved = (store.parent / _LOCATION_NAME).read_text(encoding="utf-8")
        if store.is_file() and saved != str(store.parent.resolve()):
            from mnist_exp.workspaces.local.tracking.moves import follow_move  # noqa: PLC0415

            follow_move(store.parent)
    except Exception:
        # The store may belong to another program, and may be read-only. MLflow itself reports a
        # store that it cannot open.
        return
