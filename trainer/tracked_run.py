"""The run in the MLflow store. Importing this imports MLflow."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from mlflow.entities import Metric, Param
from mlflow.tracking import MlflowClient

from records import Record

__all__ = ["TrackedRun"]


@dataclass
class TrackedRun:
    """A run in an MLflow store: the one that MLFLOW_RUN_ID names, or a new one."""

    client: MlflowClient
    run_id: str
    is_own: bool
    written: dict[str, set[int]] = field(default_factory=dict)

    @classmethod
    def open(cls, uri: str, parameters: Mapping[str, str | int | float]) -> "TrackedRun":
        """Opens the run and logs the parameters that it does not have yet."""
        client = MlflowClient(uri)
        given = os.environ.get("MLFLOW_RUN_ID")
        run = client.get_run(given) if given else client.create_run(_experiment(client))
        known = run.data.params
        client.log_batch(
            run.info.run_id,
            params=[Param(k, str(v)) for k, v in parameters.items() if k not in known],
        )
        return cls(client, run.info.run_id, is_own=not given)

    def write(self, records: Sequence[Record]) -> None:
        """Logs the values in one call, less those of steps that the run has already."""
        fresh = [record for record in records if record.step not in self._steps(record.key)]
        if fresh:
            metrics = [Metric(r.key, r.value, r.timestamp, r.step) for r in fresh]
            self.client.log_batch(self.run_id, metrics=metrics)
        for record in fresh:
            self.written[record.key].add(record.step)

    def finish(self, status: str) -> None:
        """Ends the run, unless whoever gave its name is to end it."""
        if self.is_own:
            self.client.set_terminated(self.run_id, status)

    def _steps(self, key: str) -> set[int]:
        """The steps of a metric that the run has: MLflow would keep a second value beside."""
        if key not in self.written:
            history = [] if self.is_own else self.client.get_metric_history(self.run_id, key)
            self.written[key] = {metric.step for metric in history}
        return self.written[key]


def _experiment(client: MlflowClient) -> str:
    if known := os.environ.get("MLFLOW_EXPERIMENT_ID"):
        return known
    name = os.environ.get("MLFLOW_EXPERIMENT_NAME", "Default")
    if experiment := client.get_experiment_by_name(name):
        return str(experiment.experiment_id)
    return str(client.create_experiment(name))
