"""The files of models. This module does not import MLflow."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from mnist_exp.config import ModelType
from mnist_exp.errors import JobError, NotFoundError
from mnist_exp.results import RegisteredModel
from mnist_exp.specs import ModelSpec

#: Maximum number of models that a message lists.
_MOST_LISTED = 5
#: The beginning of MLflow's URI of a logged model. The id of the model follows.
LOGGED_URI = "models:/"


@dataclass(frozen=True)
class LoggedModel:
    """A model that the script of a job logged with MLflow.

    Attributes:
        location: The URI or the path of the model's folder.
        run_name: The name of the MLflow run to which the script logged the model.
        step: The argument `step` of `log_model`; 0 by default.
        is_of_job: Whether the script logged the model to the job's own run, and not e.g. to a
            nested run.
    """

    name: str
    model_id: str
    location: str
    run_id: str
    run_name: str
    step: int
    is_of_job: bool

    def __str__(self) -> str:
        run = "" if self.is_of_job else f", run {self.run_name}"
        return f"{self.model_id} (step {self.step}{run})"


@dataclass(frozen=True)
class ModelSource:
    """The files that become a registered model.

    Attributes:
        path: The file or folder.
        model_id: MLflow's id of a logged model; None for other files.
        logged_name: The name of a logged model; empty for other files.
        notes: Lines for the user about the choice of the model.
    """

    path: Path
    model_id: str | None = None
    logged_name: str = ""
    notes: Sequence[str] = ()


def choices(logged: Iterable[LoggedModel]) -> dict[str, LoggedModel]:
    """Return value of `registration.path` -> the logged model that this value selects.

    The value is the name of a model. A script may log a name several times. Then the name selects
    the model with the largest step, and of equal steps the newest model. MLflow has the same rule
    for `mlflow.register_model("runs:/RUN/NAME", ...)`. A model of the job's own run comes before
    the models of nested runs. If only nested runs have logged a name, and several of them have, the
    name does not select a run. The values are then the ids of these models.

    Args:
        logged: The models, oldest first.
    """
    by_name: dict[str, list[LoggedModel]] = {}
    for model in logged:
        by_name.setdefault(model.name, []).append(model)
    found = {}
    for name, alike in by_name.items():
        own = [model for model in alike if model.is_of_job]
        # In a dictionary, a later model replaces an earlier model of the same run.
        by_run = {model.run_id: model for model in sorted(own or alike, key=lambda one: one.step)}
        for model in by_run.values():
            found[name if len(by_run) == 1 else model.model_id] = model
    return found


def chosen_model(spec: ModelSpec, logged: Sequence[LoggedModel], artifacts: Path) -> ModelSource:
    """Return the logged model that a spec selects by its name or id.

    If the spec contains no name and no id, all logged models must have the same name.

    Args:
        spec: The model to register. The job has no saved file with the spec's path.
        logged: The models that the job has logged, oldest first.
        artifacts: The folder with the job's artifacts.

    Raises:
        JobError: The spec does not select exactly one of the models.
    """
    known = choices(logged)
    listed = ", ".join(
        f"{model.name} {model}" if value == model.model_id else value
        for value, model in known.items()
    )
    if spec.type != ModelType.mlflow_model or not logged:
        hint = f"; the job logged with MLflow: {listed}; use registration=mlflow_model"
        raise JobError(
            f"registration.path: must be a saved file or folder of job {spec.job}, "
            f"got {spec.saved_path}; choose a path in {artifacts}{hint if logged else ''}"
        )
    wanted = (spec.path or "").removeprefix(LOGGED_URI)
    by_id = {model.model_id: model for model in logged}
    if wanted in by_id:
        return _source(by_id[wanted])
    if wanted in known or (not wanted and len(known) == 1):
        model = known[wanted or next(iter(known))]
        return _source(model, _why_chosen(model, spec.job, logged))
    got = f", got {spec.path}" if spec.path else ""
    raise JobError(
        f"registration.path: must be the name or the id of a model that job {spec.job} logged "
        f"({listed}), or a saved folder{got}; add e.g. registration.path={next(iter(known))}"
    )


def _source(model: LoggedModel, notes: Sequence[str] = ()) -> ModelSource:
    path = Path(local_path(model.location))
    if not path.exists():
        raise JobError(
            f"registration.path: the files of the logged model {model.name} must exist, but "
            f"{path} does not exist; restore the files, or run the job again"
        )
    return ModelSource(path, model.model_id, model.name, notes)


def _why_chosen(model: LoggedModel, job: str, logged: Sequence[LoggedModel]) -> list[str]:
    """Return a line if the job has logged several models with the name of the chosen model."""
    alike = [other for other in logged if other.name == model.name]
    if len(alike) == 1:
        return []
    omitted = "..., " if len(alike) > _MOST_LISTED else ""
    listed = omitted + ", ".join(map(str, alike[-_MOST_LISTED:]))
    return [
        f"job {job} logged {len(alike)} models with the name {model.name}: {listed}; chose "
        f"{model.model_id}, the newest model with the largest step; to register another model, use "
        "registration.path=ID"
    ]


def local_path(location: str) -> str:
    """Return the path of a `file:` URI. Return a plain path and any other URI unchanged."""
    parts = urlsplit(location)
    return unquote(parts.path) if parts.scheme == "file" else location


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
