"""The run in the MLflow store. Importing this module imports MLflow."""

import fcntl
import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mlflow.entities import LifecycleStage, Metric, Param, Run
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from digits.tracking import Record

#: The beginning of SQLAlchemy's address of a local file; the path follows.
_SQLITE = "sqlite:///"

# MLflow logs the traceback of each failed write. The tracker retries and prints one line.
logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)


@dataclass
class TrackedRun:
    """A run in an MLflow store.

    MLFLOW_RUN_ID names the run. Without it, the run of an earlier attempt is resumed, or else a new
    run is created.
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
            uri: The MLflow store.
            earlier: The run to which an earlier attempt logged, if it is known.
        """
        _create_store(uri)
        client = MlflowClient(uri)
        given = os.environ.get("MLFLOW_RUN_ID")
        run = client.get_run(given) if given else _reopened(client, earlier)
        is_new = run is None
        run = run or client.create_run(_experiment(client))
        return cls(client, run.info.run_id, is_own=not given, is_new=is_new)

    def begin(self, parameters: Mapping[str, str | int | float]) -> None:
        """Log the parameters that the run lacks. A second call does nothing.

        A parameter that the run has with another value becomes a tag.
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
                # MLflow never changes a run's parameter.
                self.client.set_tag(self.run_id, f"goes_on_with.{key}", str(value))
                # A run is often resumed to train more epochs, so that is no reason for a warning.
                kind = "note" if key == "epochs" else "warning"
                print(f"{kind}: MLflow keeps {key}={known[key]}, the run resumes with {value}")
        self.has_begun = True

    def write(self, records: Sequence[Record]) -> None:
        """Log the values in one call, except those of steps that the run has already."""
        fresh = [record for record in records if record.step not in self._steps(record.key)]
        if fresh:
            metrics = [Metric(r.key, r.value, r.timestamp, r.step) for r in fresh]
            self.client.log_batch(self.run_id, metrics=metrics)
        for record in fresh:
            self.written[record.key].add(record.step)

    def finish(self, status: str) -> None:
        """End the run, unless MLFLOW_RUN_ID named it: then its job ends it."""
        if self.is_own:
            self.client.set_terminated(self.run_id, status)

    def _steps(self, key: str) -> set[int]:
        """Return the steps that a metric has in the store; MLflow would keep a second value."""
        if key not in self.written:
            history = [] if self.is_new else self.client.get_metric_history(self.run_id, key)
            self.written[key] = {metric.step for metric in history}
        return self.written[key]


def _create_store(uri: str) -> None:
    """Create a store in a local file under another name, and rename it.

    MLflow takes seconds to create its tables. A process that is killed meanwhile would leave a
    store that MLflow cannot open.
    """
    if not uri.startswith(_SQLITE):
        return
    address, _, options = uri.partition("?")
    store = Path(address.removeprefix(_SQLITE))
    # SQLAlchemy decodes % from 2.1 on and not before, so such paths are left to MLflow.
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
    """Return whether the text is this value in any spelling: 0.010 is 0.01."""
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
        # The earlier attempt had another store, or the run was deleted for good.
        return None
    # MLflow still returns runs that are marked as deleted.
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
