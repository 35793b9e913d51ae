"""The MLflow store of an outputs folder, with the runs of jobs and the registered models.

The store is a SQLite file, because MLflow no longer accepts its file store from version 3.14 on.
The artifact folder of a run is a link to the job's folder. `mlflow ui` therefore shows a job's
files without a copy.
"""

import fcntl
import getpass
import logging
import os
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from urllib.parse import unquote, urlsplit

from mlflow import MlflowClient
from mlflow.entities import LifecycleStage, Metric, Param, RunTag
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE, ErrorCode
from sqlalchemy.exc import SQLAlchemyError

from mnist_exp.errors import NotFoundError, OutputsError, RefusedError
from mnist_exp.metrics import MetricPoint, from_store
from mnist_exp.results import RegisteredModel
from mnist_exp.specs import ModelSpec
from mnist_exp.status import JobStatus
from mnist_exp.workspaces.local.jobs.environment import PARENT, TrackedRun
from mnist_exp.workspaces.local.tracking.database import (
    ARTIFACTS_NAME,
    STORE_NAME,
    store_uri,
)

# Errors of the store are raised as exceptions. With log lines, the user would see each error twice.
for _name in ("alembic", "mlflow"):
    logging.getLogger(_name).setLevel(logging.CRITICAL)

#: Maximum number of tags per MLflow call.
_MOST_TAGS = 100

#: MLflow's error code for an attempt to change a parameter of a run.
_CHANGED = ErrorCode.Name(INVALID_PARAMETER_VALUE)

#: Final status of a job -> MLflow's name of the status.
_MLFLOW_STATUS = {
    JobStatus.COMPLETED: "FINISHED",
    JobStatus.FAILED: "FAILED",
    JobStatus.CANCELED: "KILLED",
}


class Tracking:
    """The MLflow store in the folder `outputs`. The first use creates the store.

    Every method raises `OutputsError` if the store cannot be opened, read or written.
    """

    def __init__(self, outputs: Path) -> None:
        self._outputs = outputs
        self.uri = store_uri(outputs / STORE_NAME)
        self._experiments: dict[str, str] = {}

    @cached_property
    def _client(self) -> MlflowClient:
        self._outputs.mkdir(parents=True, exist_ok=True)
        self._create_store()
        return MlflowClient(tracking_uri=self.uri, registry_uri=self.uri)

    def _create_store(self) -> None:
        """Create the store under a temporary name, then rename the file.

        MLflow needs a second to create its tables. A lock makes other commands wait, because two
        commands must not create the tables at the same time. The file gets its final name at the
        end. If the command is killed earlier, no incomplete store with this name exists.
        """
        store = self._outputs / STORE_NAME
        with (self._outputs / f".{STORE_NAME}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if store.exists():
                return
            new = self._outputs / f".{STORE_NAME}.new"
            new.unlink(missing_ok=True)
            uri = store_uri(new)
            MlflowClient(tracking_uri=uri, registry_uri=uri).search_experiments(max_results=1)
            new.rename(store)

    def start(
        self, experiment: str, name: str, folder: Path, tags: Mapping[str, str]
    ) -> TrackedRun:
        """Create the MLflow run of a job or a sweep.

        Args:
            experiment: The name of the experiment.
            name: The name of the job or sweep.
            folder: The folder of the job or sweep. Its files are the artifacts of the run.
            tags: The tags of the run.
        """
        with self._mapped():
            if experiment not in self._experiments:
                self._experiments[experiment] = self._experiment(experiment)
            experiment_id = self._experiments[experiment]
            given = {
                "mlflow.user": _user(),
                "mlflow.source.name": "mnist-exp",
                "mlflow.source.type": "LOCAL",
                **tags,
            }
            if PARENT not in tags:
                self._discard_namesakes(experiment_id, name)
            run = self._client.create_run(experiment_id, tags=given, run_name=name)
        artifacts = Path(unquote(urlsplit(str(run.info.artifact_uri)).path))
        artifacts.parent.mkdir(parents=True, exist_ok=True)
        artifacts.symlink_to(folder.resolve(), target_is_directory=True)
        return TrackedRun(self.uri, run.info.run_id, experiment_id)

    def resume(self, run_id: str) -> None:
        """Set the status of an ended run to RUNNING; restore the run if it was deleted."""
        with self._mapped():
            if self._client.get_run(run_id).info.lifecycle_stage == LifecycleStage.DELETED:
                self._client.restore_run(run_id)
            self._client.update_run(run_id, status="RUNNING")

    def discard(self, run_id: str) -> None:
        """Delete a run, for example because its job restarts.

        The user can restore the run with the `mlflow` command.
        """
        with self._mapped():
            if self._client.get_run(run_id).info.status == "RUNNING":
                self._client.set_terminated(run_id, _MLFLOW_STATUS[JobStatus.CANCELED])
            self._client.delete_run(run_id)

    def discard_strays(self, parent: TrackedRun, known: Collection[str]) -> None:
        """Delete the runs of trials that a killed command created before it wrote job.json.

        Args:
            parent: The run of the sweep.
            known: The ids of the trials' runs that are in a job.json. These runs are kept.
        """
        with self._mapped():
            nested = f"tags.`{PARENT}` = '{parent.run_id}'"
            found = self._client.search_runs([parent.experiment_id], nested, max_results=5000)
        for run in found:
            if run.info.run_id not in known:
                self.discard(run.info.run_id)

    def _discard_namesakes(self, experiment_id: str, name: str) -> None:
        """Delete runs of the same job that a killed command created before it wrote job.json."""
        alike = f"tags.`azureml.job` = '{name}'"
        for run in self._client.search_runs([experiment_id], alike):
            self.discard(run.info.run_id)

    @property
    def store(self) -> Path:
        """The path of the store's file. If the file does not exist, create the file."""
        with self._mapped():
            # The first use of `_client` creates the file.
            self._client  # noqa: B018
        return self._outputs / STORE_NAME

    def log_missing_parameters(self, run_id: str, parameters: Mapping[str, object]) -> None:
        """Log the parameters that the script did not log.

        A parameter that the script logged keeps its value, because MLflow does not allow changes.
        """
        wanted = {name: str(value) for name, value in parameters.items()}
        with self._mapped():
            try:
                # In most cases the script logged no values or the same values. MLflow accepts an
                # equal value a second time.
                self._log_parameters(run_id, wanted)
            except MlflowException as error:
                if error.error_code != _CHANGED:
                    raise
                known = self._client.get_run(run_id).data.params
                missing = {name: text for name, text in wanted.items() if name not in known}
                self._log_parameters(run_id, missing)

    def log_metrics(self, run_id: str, metrics: Mapping[str, float], timestamp_ms: int) -> None:
        """Log one value of each metric."""
        entries = [Metric(name, value, timestamp_ms, 0) for name, value in metrics.items()]
        with self._mapped():
            self._client.log_batch(run_id, metrics=entries)

    def set_tags(self, run_id: str, tags: Mapping[str, str]) -> None:
        """Set tags on a run."""
        entries = [RunTag(name, value) for name, value in tags.items()]  # type: ignore[no-untyped-call]
        with self._mapped():
            for start in range(0, len(entries), _MOST_TAGS):
                self._client.log_batch(run_id, tags=entries[start : start + _MOST_TAGS])

    def end(self, run_id: str, status: JobStatus) -> None:
        """Set the final status of a run, even if the script has set another status."""
        with self._mapped():
            self._client.set_terminated(run_id, _MLFLOW_STATUS[status])

    def history(self, run_id: str, metric: str) -> list[MetricPoint]:
        """Return every point of one metric, in order of time and step."""
        with self._mapped():
            points = self._client.get_metric_history(run_id, metric)
        ordered = sorted(points, key=lambda point: (point.timestamp, point.step))
        return [MetricPoint(metric, from_store(point.value), point.step) for point in ordered]

    def histories(self, run_id: str) -> dict[str, list[MetricPoint]]:
        """Return every point of every metric of a run."""
        with self._mapped():
            names = sorted(self._client.get_run(run_id).data.metrics)
        return {name: self.history(run_id, name) for name in names}

    def register(self, spec: ModelSpec, run_id: str, source: Path) -> RegisteredModel:
        """Create a new version of a registered model. MLflow chooses the number of the version."""
        with self._mapped():
            try:
                self._client.get_registered_model(spec.name)
            except MlflowException:
                self._client.create_registered_model(spec.name, description=spec.description)
            version = self._client.create_model_version(
                spec.name,
                source=str(source.resolve()),
                run_id=run_id,
                tags={"azureml.job": spec.job, "azureml.type": spec.type},
                description=spec.description,
            )
        where = str(source.resolve())
        return RegisteredModel(spec.name, str(version.version), where, spec.job, spec.type)

    def registered(self, name: str, version: str) -> RegisteredModel:
        """Return a version of a registered model.

        Raises:
            NotFoundError: The version does not exist.
        """
        with self._mapped():
            try:
                found = self._client.get_model_version(name, version)
            except MlflowException as error:
                raise NotFoundError(
                    f"run: no registered model {name}:{version} exists in {self._outputs}; "
                    "register a model with stage=register"
                ) from error
        job, kind = found.tags.get("azureml.job", ""), found.tags.get("azureml.type", "")
        return RegisteredModel(name, version, str(found.source), job, kind or "custom_model")

    def _log_parameters(self, run_id: str, parameters: Mapping[str, str]) -> None:
        entries = [Param(name, text) for name, text in parameters.items()]  # type: ignore[no-untyped-call]
        if entries:
            self._client.log_batch(run_id, params=entries)

    def _experiment(self, name: str) -> str:
        found = self._client.get_experiment_by_name(name)
        if found is None:
            location = (self._outputs / ARTIFACTS_NAME).resolve().as_uri()
            try:
                return str(self._client.create_experiment(name, artifact_location=location))
            except MlflowException:
                # Another command has just created the experiment.
                found = self._client.get_experiment_by_name(name)
                if found is None:
                    raise
        if found.lifecycle_stage == LifecycleStage.DELETED:
            raise RefusedError(
                f"job.experiment_name: {name} was deleted in {self._outputs / STORE_NAME}; choose "
                f"another name, or restore it: MLFLOW_TRACKING_URI={self.uri} "
                f"mlflow experiments restore --experiment-id {found.experiment_id}"
            )
        return str(found.experiment_id)

    @contextmanager
    def _mapped(self) -> Iterator[None]:
        """Convert errors of MLflow and of the database to `OutputsError`."""
        try:
            yield
        except (MlflowException, SQLAlchemyError) as error:
            # Keep only the text before `[SQL`. The rest of the text is the SQL statement.
            text = " ".join(str(error).partition("[SQL")[0].split())[:300]
            raise OutputsError(
                f"outputs_dir: the MLflow store {self._outputs / STORE_NAME} failed: {text}; "
                "free space, restore the store that belongs to these outputs, or choose another "
                "folder with outputs_dir="
            ) from error


def _user() -> str:
    try:
        return getpass.getuser()
    except (ImportError, KeyError, OSError):
        # In a container, the user id may have no name.
        return str(os.getuid())
