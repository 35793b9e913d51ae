"""The MLflow store of an outputs folder, with the runs of jobs and the registered models.

The store is a SQLite file, because MLflow 3.14 and later versions do not accept a file store.
MLflow's folder of a job's run is a link to the job's folder, which contains the folder `artifacts`.
`mlflow ui` therefore shows a job's files without a copy, and `mlflow gc` can delete the artifacts.
"""

import getpass
import logging
import os
from collections.abc import Collection, Mapping
from contextlib import AbstractContextManager
from functools import cached_property
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import LifecycleStage, Metric, Param, RunTag
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE, ErrorCode
from mlflow.utils.mlflow_tags import MLFLOW_RUN_NOTE

from mnist_exp.errors import RefusedError
from mnist_exp.metrics import MetricPoint, from_store
from mnist_exp.specs import Literal, PathInput
from mnist_exp.status import JobStatus
from mnist_exp.workspaces.local.jobs.environment import PARENT, TrackedRun
from mnist_exp.workspaces.local.jobs.folder import RUN_ARTIFACTS
from mnist_exp.workspaces.local.tracking.data_sets import data_sets
from mnist_exp.workspaces.local.tracking.database import (
    ARTIFACTS_NAME,
    NEW_STORE_NAME,
    STORE_NAME,
    ScriptRuns,
    script_runs,
    store_uri,
)
from mnist_exp.workspaces.local.tracking.errors import NOT_FOUND, store_errors
from mnist_exp.workspaces.local.tracking.models import ModelRegistry
from mnist_exp.workspaces.local.tracking.moves import (
    follow_move,
    set_default_location,
    store_lock,
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
        self._artifacts = outputs / ARTIFACTS_NAME
        self.uri = store_uri(outputs / STORE_NAME)
        self._experiments: dict[str, str] = {}

    @cached_property
    def _client(self) -> MlflowClient:
        self._outputs.mkdir(parents=True, exist_ok=True)
        with store_lock(self._outputs):
            self._create_store()
        follow_move(self._outputs)
        return MlflowClient(tracking_uri=self.uri, registry_uri=self.uri)

    def _create_store(self) -> None:
        """Create the store under a temporary name, then rename the file.

        MLflow needs a second to create its tables. The caller has a lock, because two commands must
        not create the tables at the same time. The file gets its final name at the end. If the
        command is killed earlier, no incomplete store with this name exists.
        """
        store = self._outputs / STORE_NAME
        if store.exists():
            return
        new = self._outputs / NEW_STORE_NAME
        new.unlink(missing_ok=True)
        uri = store_uri(new)
        MlflowClient(tracking_uri=uri, registry_uri=uri).search_experiments(max_results=1)
        set_default_location(new, self._artifacts)
        new.rename(store)

    def start(
        self, experiment: str, name: str, folder: Path, tags: Mapping[str, str], title: str = ""
    ) -> TrackedRun:
        """Create the MLflow run of a job or a sweep.

        Args:
            experiment: The name of the experiment.
            name: The name of the job or sweep.
            folder: The folder of the job or sweep. `artifacts/` in this folder has the artifacts.
            tags: The tags of the run.
            title: The name of the run that MLflow shows; empty for the name of the job.
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
                self._delete_namesakes(experiment_id, name)
            run = self._client.create_run(experiment_id, tags=given, run_name=title or name)
        try:
            self._link_artifacts(run.info.run_id, folder)
        except OSError:
            self.discard(run.info.run_id)
            raise
        return self.tracked(run.info.run_id, experiment_id)

    def tracked(self, run_id: str, experiment_id: str) -> TrackedRun:
        """Return the description of a run that exists."""
        return TrackedRun(self.uri, run_id, experiment_id, self._artifacts)

    def _link_artifacts(self, run_id: str, folder: Path) -> None:
        """Create MLflow's folder of a run as a link to the job's folder.

        The link is relative, so that users can move the outputs folder.
        """
        (folder / RUN_ARTIFACTS).mkdir(exist_ok=True)
        link = self._artifacts / run_id
        link.parent.mkdir(parents=True, exist_ok=True)
        target = os.path.relpath(folder.resolve(), link.parent.resolve())
        link.symlink_to(target, target_is_directory=True)

    def resume(self, run_id: str) -> None:
        """Set the status of an ended run to RUNNING; restore the run if it was deleted."""
        with self._mapped():
            run = self._client.get_run(run_id)
            if run.info.lifecycle_stage == LifecycleStage.DELETED:
                self._client.restore_run(run_id)
            self._client.update_run(run_id, status="RUNNING")
            note = run.data.tags.get(MLFLOW_RUN_NOTE, "")
            if note.startswith(tuple(f"{status.value}: " for status in _MLFLOW_STATUS)):
                # The run has the reason why an earlier attempt ended.
                self._client.delete_tag(run_id, MLFLOW_RUN_NOTE)

    def discard(self, run_id: str) -> None:
        """Delete a run and the runs that its script created, for example when the job restarts.

        Also delete the run's link to the job's folder, because a restarted job uses the same folder
        for a new run. With the link, `mlflow gc` would delete the artifacts of the new run. The
        user can restore the deleted run with the `mlflow` command, but without artifacts.
        """
        link = self._artifacts / run_id
        if link.is_symlink():
            link.unlink()
        with self._mapped():
            for each in (*script_runs(self.store, run_id).ids, run_id):
                if self._client.get_run(each).info.status == "RUNNING":
                    self._client.set_terminated(each, _MLFLOW_STATUS[JobStatus.CANCELED])
                self._client.delete_run(each)

    def forget(self, run_id: str) -> None:
        """Delete the run of a job whose files are deleted, unless the run was deleted before."""
        with self._mapped():
            try:
                stage = self._client.get_run(run_id).info.lifecycle_stage
            except MlflowException as error:
                if error.error_code != NOT_FOUND:
                    raise
                # `mlflow gc` has deleted the run.
                stage = LifecycleStage.DELETED
        if stage != LifecycleStage.DELETED:
            self.discard(run_id)
        elif (link := self._artifacts / run_id).is_symlink():
            link.unlink()

    def delete_unrecorded_runs(self, parent: TrackedRun, known: Collection[str]) -> None:
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

    def _delete_namesakes(self, experiment_id: str, name: str) -> None:
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

    def log_inputs(self, run_id: str, inputs: Mapping[str, Literal | PathInput]) -> None:
        """Log the path inputs of a job as data sets."""
        if found := data_sets(inputs):
            with self._mapped():
                self._client.log_inputs(run_id, datasets=found)

    def set_tags(self, run_id: str, tags: Mapping[str, str]) -> None:
        """Set tags on a run."""
        entries = [RunTag(name, value) for name, value in tags.items()]  # type: ignore[no-untyped-call]
        with self._mapped():
            for start in range(0, len(entries), _MOST_TAGS):
                self._client.log_batch(run_id, tags=entries[start : start + _MOST_TAGS])

    def end(self, run_id: str, status: JobStatus, why: str = "") -> ScriptRuns:
        """Set the final status of a run, even if the script has set another status.

        Runs that the script created and did not end, e.g. nested runs, get the same status. The
        reason `why` of a failed or canceled job becomes the description of the run, unless the
        script has set a description.

        Returns:
            The runs that the script created, and what the script logged.
        """
        found = script_runs(self.store, run_id)
        with self._mapped():
            for each in (*found.running, run_id):
                self._client.set_terminated(each, _MLFLOW_STATUS[status])
            if why and MLFLOW_RUN_NOTE not in self._client.get_run(run_id).data.tags:
                self._client.set_tag(run_id, MLFLOW_RUN_NOTE, f"{status.value}: {why}")
        return found

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

    @property
    def models(self) -> ModelRegistry:
        """The logged and the registered models of the store."""
        with self._mapped():
            return ModelRegistry(self._client, self._outputs)

    def _log_parameters(self, run_id: str, parameters: Mapping[str, str]) -> None:
        entries = [Param(name, text) for name, text in parameters.items()]  # type: ignore[no-untyped-call]
        if entries:
            self._client.log_batch(run_id, params=entries)

    def _experiment(self, name: str) -> str:
        found = self._client.get_experiment_by_name(name)
        if found is None:
            location = self._artifacts.resolve().as_uri()
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

    def _mapped(self) -> AbstractContextManager[None]:
        return store_errors(self._outputs)


def _user() -> str:
    try:
        return getpass.getuser()
    except (ImportError, KeyError, OSError):
        # In a container, the user id may have no name.
        return str(os.getuid())
