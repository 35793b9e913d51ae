"""The files of models. This module does not import MLflow."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mnist_exp.config import ModelType
from mnist_exp.errors import JobError, NotFoundError
from mnist_exp.results import RegisteredModel
from mnist_exp.specs import ModelSpec


@dataclass(frozen=True)
class ModelSource:
    """The files that become a registered model.

    Attributes:
        path: The file or folder.
        model_id: MLflow's id of a logged model; None for other files.
        logged_name: The name of a logged model; empty for other files.
    """

    path: Path
    model_id: str | None = None
    logged_name: str = ""


def chosen_model(
    spec: ModelSpec, logged: Mapping[str, ModelSource], artifacts: Path
) -> ModelSource:
    """Return the logged model that a spec selects by its name, or the only logged model.

    Args:
        spec: The model to register. The job has no saved file with the spec's path.
        logged: Name -> source, for each model that the job has logged.
        artifacts: The folder with the job's artifacts.

    Raises:
        JobError: The spec does not select exactly one of the models.
    """
    names = ", ".join(logged)
    if spec.type != ModelType.mlflow_model or not logged:
        hint = f"; the job logged with MLflow: {names}; use registration=mlflow_model"
        raise JobError(
            f"registration.path: must be a saved file or folder of job {spec.job}, "
            f"got {spec.saved_path}; choose a path in {artifacts}{hint if logged else ''}"
        )
    if spec.path is not None and spec.path in logged:
        return logged[spec.path]
    if spec.path is None and len(logged) == 1:
        return next(iter(logged.values()))
    got = f", got {spec.path}" if spec.path else ""
    raise JobError(
        f"registration.path: must be the name of a model that job {spec.job} logged ({names}), "
        f"or a saved folder{got}; add e.g. registration.path={next(iter(logged))}"
    )


def with_files(model: RegisteredModel) -> RegisteredModel:
    """Return the model if its files are on this machine.

    Raises:
        NotFoundError: The files do not exist, or are on another machine.
    """
    if Path(model.path).exists():
        return model
    raise NotFoundError(
        f"run: the files of model {model.name}:{model.version} must be on this machine, but "
        f"{model.path} does not exist here; restore the files, or name another model with "
        "run=NAME:VERSION"
    )
