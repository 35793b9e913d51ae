"""The conversion of errors of MLflow and of the database to errors of this program."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import RESOURCE_DOES_NOT_EXIST, ErrorCode
from sqlalchemy.exc import SQLAlchemyError

from mnist_exp.errors import OutputsError
from mnist_exp.workspaces.local.tracking.database import STORE_NAME, is_damaged

#: MLflow's error code for a run that does not exist.
NOT_FOUND = ErrorCode.Name(RESOURCE_DOES_NOT_EXIST)


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
            f"outputs_dir: the MLflow store {outputs / STORE_NAME} failed: {text}; {_remedy(error)}"
        ) from error


def _remedy(error: Exception) -> str:
    restore = "restore the store that belongs to these outputs"
    if isinstance(error, MlflowException) and error.error_code == NOT_FOUND:
        # Usually the user has deleted the run with `mlflow gc` or in MLflow's UI.
        return f"run the job again, or {restore}"
    if "database is locked" in str(error):
        return "close the other program that uses the store, or wait until it has ended"
    if is_damaged(error):
        return f"{restore}, or choose another folder with outputs_dir=DIR"
    return f"make space on the disk, {restore}, or choose another folder with outputs_dir=DIR"
