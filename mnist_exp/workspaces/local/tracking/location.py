"""Where the MLflow store of an outputs folder is, told without importing MLflow."""

from pathlib import Path

STORE_NAME = "mlflow.db"


def store_uri(store: Path) -> str:
    """Return the tracking URI of a store's file."""
    # SQLAlchemy reads the path as part of an address.
    return "sqlite:///" + str(store).replace("%", "%25").replace("?", "%3F")
