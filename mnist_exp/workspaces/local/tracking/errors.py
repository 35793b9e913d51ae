"""The conversion of errors of MLflow and of the database to errors of this program."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mlflow.exceptions import MlflowException
from sqlalchemy.exc import SQLAlchemyError

from mnist_exp.errors import OutputsError
from mnist_exp.workspaces.local.tracking.database import STORE_NAME


@contextmanager
def store_errors(outputs: Path) -> Iterator[None]:
    """Convert errors of MLflow and of the database to `OutputsError`.

    Args:
        outputs: The outputs folder, which contains the store.
    """
    try:
        yield
    except (MlflowException, SQLAlchemyError) as error:
        # Keep only the text before `[SQL`. The rest of the text is the SQL statement.
        text = " ".join(str(error).partition("[SQL")[0].split())[:300]
        raise OutputsError(
            f"outputs_dir: the MLflow store {outputs / STORE_NAME} failed: {text}; "
            "make space on the disk, restore the store that belongs to these outputs, or choose "
            "another folder with outputs_dir="
        ) from error
