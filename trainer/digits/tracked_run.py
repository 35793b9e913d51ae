"""The training run's MLflow run. This module imports MLflow, which takes more than a second."""

import fcntl
import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mlflow.entities import LifecycleStage, Metric, Param, Run
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from digits.metrics import MetricValue

#: Prefix of SQLAlchemy's address of a local file. The rest of the address is the path.
_SQLITE = "sqlite:///"

# MLflow would log the traceback of each failed write. The tracker prints one line instead, and
# repeats the write.
logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)


@dataclass
class TrackedRun:
    """A run in an MLflow store.

    If the environment variable MLFLOW_RUN_ID is set, it contains the id of the run. Otherwise, the
    process resumes the MLflow run that an earlier process of the same training run has created. If
    there is no such MLflow run, the process creates a new MLflow run.

    Attributes:
        client: The client of the store.
        run_id: The id of the run.
        is_own: Whether this process must end the run, because MLFLOW_RUN_ID is not set.
        is_new: Whether this process has created the run.
        has_begun: Whether the parameters are logged.
        written: The steps of each metric that are in the store.
    """

    client: MlflowClient
    run_id: str
    is_own: bool
    is_new: bool
    has_begun: bool = False
    written: dict[str, set[int]] = field(default_factory=dict)

    @classmethod
    def open(cls, uri: str, earlier: str | None) -> "TrackedRun":
        """Open the run.

        Args:
            uri: The address of the MLflow store.
            earlier: The id of the MLflow run of an earlier process; None if no id is known.
        """
        _create_store(uri)
        client = MlflowClient(uri)
        given = os.environ.get("MLFLOW_RUN_ID")
        run = client.get_run(given) if given else _reopened(client, earlier)
        is_new = run is None
        run = run or client.create_run(_experiment(client))
        return cls(client, run.info.run_id, is_own=not given, is_new=is_new)

    def begin(self, parameters: Mapping[str, str | int | float]) -> None:
        """Log the parameters that the run does not have yet. A second call does nothing.

        If the run already has a parameter with a different value, the new value is saved as a tag.
        """
        if self.has_begun:
            return
        known = {} if self.is_new else self.client.get_run(self.run_id).data.params
        fresh = [
            Param(key, str(value))  # type: ignore[no-untyped-call]
            for key, value in parameters.items()
            if key not in known
        ]
        self.client.log_batch(self.run_id, params=fresh)
        for key, value in parameters.items():
            if key in known and not _means(known[key], value):
                # MLflow cannot change a parameter of a run.
                self.client.set_tag(self.run_id, f"goes_on_with.{key}", str(value))
                # Users often resume a run to train more epochs. Do not warn about this change.
                kind = "note" if key == "epochs" else "warning"
                print(
                    f"{kind}: the run resumes with {key}={value}; MLflow still shows"
                    f" {key}={known[key]}, because MLflow cannot change a parameter"
                )
        self.has_begun = True

    def write(self, values: Sequence[MetricValue]) -> None:
        """Log the values in one call. Values of steps that are already in the store are omitted."""
        fresh = [value for value in values if value.step not in self._steps(value.key)]
        if fresh:
            metrics = [Metric(v.key, v.value, v.timestamp, v.step) for v in fresh]
            self.client.log_batch(self.run_id, metrics=metrics)
        for value in fresh:
            self.written[value.key].add(value.step)

    def finish(self, status: str) -> None:
        """End the run. If MLFLOW_RUN_ID is set, do nothing.

        The program that has set this variable ends the run.
        """
        if self.is_own:
            self.client.set_terminated(self.run_id, status)

    def _steps(self, key: str) -> set[int]:
        """Return the steps of a metric that are in the store.

        If a step were logged again, MLflow would store a second value of this step.
        """
        if key not in self.written:
            history = [] if self.is_new else self.client.get_metric_history(self.run_id, key)
            self.written[key] = {metric.step for metric in history}
        return self.written[key]


def _create_store(uri: str) -> None:
    """Create a store in a local file under a temporary name, and then rename the file.

    MLflow needs seconds to create its tables. If the process were killed during this time, MLflow
    could not open the incomplete store later.
    """
    if not uri.startswith(_SQLITE):
        return
    address, _, options = uri.partition("?")
    store = Path(address.removeprefix(_SQLITE))
    # If an address contains "%", its path depends on SQLAlchemy's version: version 2.1 decodes "%",
    # and earlier versions do not. Let MLflow itself create a store with such an address.
    if "%" in address or not store.name or not store.parent.is_dir() or store.exists():
        return
    with (store.parent / f".{store.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if store.exists():
            return
        new = store.with_name(f".{store.name}.new")
        new.unlink(missing_ok=True)
        beside = address.removesuffix(store.name) + new.name
        MlflowClient(f"{beside}?{options}" if options else beside).search_experiments(max_results=1)
        new.rename(store)


def _means(text: str, value: str | int | float) -> bool:
    """Return whether the text represents this value. For example, "0.010" represents 0.01."""
    try:
        return type(value)(text) == value
    except ValueError:
        return False


def _reopened(client: MlflowClient, run_id: str | None) -> Run | None:
    if not run_id:
        return None
    try:
        run = client.get_run(run_id)
    except MlflowException:
        # The earlier process used a different store, or the run was deleted permanently.
        return None
    # MLflow also returns runs that are only marked as deleted.
    if run.info.lifecycle_stage == LifecycleStage.DELETED:
        return None
    client.update_run(run_id, "RUNNING")
    return run


def _experiment(client: MlflowClient) -> str:
    if known := os.environ.get("MLFLOW_EXPERIMENT_ID"):
        return known
    name = os.environ.get("MLFLOW_EXPERIMENT_NAME", "Default")
    if experiment := client.get_experiment_by_name(name):
        return str(experiment.experiment_id)
    return str(client.create_experiment(name))
