"""The models of an MLflow store: models that scripts have logged, and registered models.

MLflow 3 does not save a logged model (`mlflow.<flavor>.log_model`) among the artifacts of its run,
but in a separate folder: https://mlflow.org/docs/latest/ml/model/models-from-code
"""

from collections.abc import Sequence
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import (
    INVALID_PARAMETER_VALUE,
    RESOURCE_DOES_NOT_EXIST,
    ErrorCode,
)

from mnist_exp.config import ModelType
from mnist_exp.errors import NotFoundError
from mnist_exp.results import RegisteredModel
from mnist_exp.specs import ModelSpec
from mnist_exp.workspaces.local.tracking.database import STORE_NAME, script_runs
from mnist_exp.workspaces.local.tracking.errors import store_errors
from mnist_exp.workspaces.local.tracking.sources import (
    LOGGED_URI,
    LoggedModel,
    ModelSource,
    choices,
    local_path,
    with_files,
)

#: The file in the folder of every MLflow model.
_MODEL_FILE = "MLmodel"
#: Beginning of the URI of an artifact or a logged model of a run.
_RUNS_URI = "runs:/"
_JOB_TAG, _TYPE_TAG = "azureml.job", "azureml.type"
#: MLflow's error codes for a model or a version that does not exist.
_UNKNOWN = tuple(map(ErrorCode.Name, (RESOURCE_DOES_NOT_EXIST, INVALID_PARAMETER_VALUE)))


class ModelRegistry:
    """The logged and the registered models.

    Args:
        client: A client of the store.
        outputs: The outputs folder, which contains the store.
    """

    def __init__(self, client: MlflowClient, outputs: Path) -> None:
        self._client = client
        self._outputs = outputs

    def logged(self, run_id: str) -> Sequence[LoggedModel]:
        """Return the models that a job's script has logged to any run, oldest first."""
        with store_errors(self._outputs):
            # This call raises an error if `mlflow gc` has deleted the run.
            self._client.get_run(run_id)
        return script_runs(self._outputs / STORE_NAME, run_id).models

    def register(self, spec: ModelSpec, run_id: str, source: ModelSource) -> RegisteredModel:
        """Create a new version of a registered model. MLflow chooses the number of the version."""
        with store_errors(self._outputs):
            try:
                self._client.get_registered_model(spec.name)
            except MlflowException:
                self._client.create_registered_model(spec.name, description=spec.description)
            version = self._client.create_model_version(
                spec.name,
                source=str(source.path.resolve()),
                run_id=run_id,
                tags={_JOB_TAG: spec.job, _TYPE_TAG: spec.type},
                description=spec.description,
                model_id=source.model_id,
            )
        return RegisteredModel(
            spec.name,
            str(version.version),
            str(source.path.resolve()),
            spec.job,
            spec.type,
            source.logged_name,
            source.notes,
        )

    def jobs(self) -> dict[str, str]:
        """Return job -> `name:version` of a registered model with files of the job."""
        with store_errors(self._outputs):
            found = {
                str(version.tags.get(_JOB_TAG) or self._job_of(version.run_id)): version
                for version in self._client.search_model_versions()
            }
        return {job: f"{version.name}:{version.version}" for job, version in found.items()}

    def registered(self, name: str, version: str | None) -> RegisteredModel:
        """Return a version of a registered model. If `version` is None, return the newest version.

        Raises:
            NotFoundError: The version does not exist, or its files are not on this machine.
        """
        found = self.find(name, version)
        if found is None:
            wanted = name if version is None else f"{name}:{version}"
            raise NotFoundError(
                f"run: no registered model {wanted} exists in {self._outputs}; "
                "register a model with stage=register"
            )
        return with_files(found)

    def find(self, name: str, version: str | None) -> RegisteredModel | None:
        """Return a version of a registered model; None if there is no such version.

        If `version` is None, return the newest version. The files of the model may be missing.
        """
        with store_errors(self._outputs):
            try:
                number = version or self._newest(name)
                found = self._client.get_model_version(name, number)
            except MlflowException as error:
                if error.error_code not in _UNKNOWN:
                    raise
                return None
            return self._described(found)

    def _newest(self, name: str) -> str:
        versions = self._client.search_model_versions(f"name = '{name}'")
        return max((str(one.version) for one in versions), key=int, default="")

    def _described(self, found: ModelVersion) -> RegisteredModel:
        """Return the model. A model of another program lacks the tags that `register` sets."""
        name, version = str(found.name), str(found.version)
        location = str(self._client.get_model_version_download_uri(name, version))
        path = local_path(self._resolved(location))
        is_mlflow = Path(path, _MODEL_FILE).is_file()
        default = ModelType.mlflow_model if is_mlflow else ModelType.custom_model
        kind = str(found.tags.get(_TYPE_TAG, default.value))
        job = found.tags.get(_JOB_TAG) or self._job_of(found.run_id)
        return RegisteredModel(name, version, path, job, kind, self._logged_name(Path(path)))

    def _resolved(self, location: str) -> str:
        """Return the location of the files to which a URI `models:/ID` or `runs:/RUN/PATH` refers.

        Return any other location unchanged.
        """
        if location.startswith(LOGGED_URI):
            model_id = location.removeprefix(LOGGED_URI)
            return str(self._client.get_logged_model(model_id).artifact_location)
        if not location.startswith(_RUNS_URI):
            return location
        run_id, _, path = location.removeprefix(_RUNS_URI).partition("/")
        saved = Path(local_path(self._client.get_run(run_id).info.artifact_uri), path)
        logged = choices(self.logged(run_id)).get(path)
        return logged.location if logged and not saved.exists() else str(saved)

    def _logged_name(self, path: Path) -> str:
        """Return the name of the logged model in a folder `models/ID/artifacts`; else empty."""
        if path.parent.parent.name != "models":
            return ""
        try:
            return str(self._client.get_logged_model(path.parent.name).name)
        except MlflowException:
            return ""

    def _job_of(self, run_id: str | None) -> str:
        try:
            run = self._client.get_run(run_id) if run_id else None
        except MlflowException:
            return ""
        return str(run.data.tags.get(_JOB_TAG, "")) if run else ""
