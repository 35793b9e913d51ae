"""The handles that the Python API returns: a run, its model and its endpoint."""

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

# The local workspace imports MLflow without pandas, unless pandas has been imported. The user of a
# notebook may need all of MLflow.
import pandas as pd

from mnist_exp.api.command import OUTPUTS_DIR, Origin, executed
from mnist_exp.api.display import new_display
from mnist_exp.cli.arguments import override_key
from mnist_exp.cli.display import carried_overrides
from mnist_exp.config import Stage
from mnist_exp.errors import NotFoundError
from mnist_exp.file_locks import is_locked
from mnist_exp.metrics import MetricPoint
from mnist_exp.past_runs import JOB_STAGES, PastRun
from mnist_exp.records import COMMAND_LOCK, Record
from mnist_exp.report.advice import Repeated, next_overrides
from mnist_exp.report.html import html_of
from mnist_exp.report.summary import print_summary
from mnist_exp.results import JobResult
from mnist_exp.stages import StageContext
from mnist_exp.stages.named_jobs import NamedJob
from mnist_exp.stages.recording import failure
from mnist_exp.status import JobStatus
from mnist_exp.sweeps.fields import did_you_mean

#: Seconds between two looks at a job.
_POLL_S = 0.2


@dataclass(frozen=True)
class Trial:
    """The best trial of a sweep.

    Attributes:
        value: The best value of the primary metric.
        parameters: Key of the search space -> drawn value.
        metrics: Metric name -> last value.
    """

    name: str
    value: float | None
    parameters: Mapping[str, Any]
    metrics: Mapping[str, float]


class Run:
    """A handle of a run: a training run, a sweep, or the result of another stage.

    Example:
        >>> r = mnist_exp.train("model=wide", epochs=5)
        >>> r.status, r.metrics["validation_acc"]
        >>> r.history("validation_acc")

    Args:
        past: The records of the run.
        origin: The call that returned the handle.
    """

    def __init__(self, past: PastRun, origin: Origin) -> None:
        self._past = past
        self._origin = origin

    @property
    def past(self) -> PastRun:
        """The records of the run, with the present state of a job that has not ended."""
        saved = self._past.record
        is_final = self._past.is_saved and saved.status.is_finished
        if saved.stage in JOB_STAGES and not is_final:
            with self._origin.context() as context:
                job = NamedJob(context, saved.name)
                folders = job.run.folders if job.run else self._past.folders
                is_saved = job.run is not None and job.run.record.status.is_finished
                self._past = PastRun([job.record()], folders[-1:], is_saved)
        return self._past

    @property
    def record(self) -> Record:
        """The content of `run.json`, with the present state of a job that has not ended."""
        return self.past.record

    @property
    def name(self) -> str:
        """The name of the job, the model or the endpoint. `run=NAME` names the run in a call."""
        return self._past.record.name

    @property
    def stage(self) -> str:
        """The stage, e.g. `train`."""
        return self._past.record.stage.value

    @property
    def folder(self) -> Path:
        """The run folder, which contains `run.json` and the figures."""
        return self._past.folders[-1]

    @property
    def status(self) -> JobStatus:
        """The present status, with Azure ML's names, e.g. `Completed`."""
        return self.record.status

    @property
    def parameters(self) -> Mapping[str, Any]:
        """Parameter -> value. For a sweep, the values are those of the best trial."""
        return self.record.parameters

    @property
    def metrics(self) -> Mapping[str, float]:
        """Metric name -> last value. For a sweep, the values are those of the best trial."""
        return self.past.metrics

    @property
    def best(self) -> Trial:
        """The best trial of a sweep.

        Raises:
            NotFoundError: The run is no sweep, or no trial has logged the primary metric.
        """
        best = self.record.best
        if best is None:
            raise NotFoundError(
                f"run: must be a sweep with a best trial, got {self.stage} {self.name}; only a "
                "sweep whose trials logged the primary metric has a best trial"
            )
        return Trial(best["name"], best["value"], best["parameters"], best["metrics"])

    def trials_dataframe(self) -> pd.DataFrame:
        """Return a row for each trial of a sweep: name, status, best value and parameters.

        The names of the columns with parameters begin with `params_`, as in Optuna.
        """
        rows = [
            {
                "number": number,
                "name": trial["name"],
                "status": trial["status"],
                "value": trial["best"],
                **{f"params_{name}": value for name, value in trial["parameters"].items()},
                **{key: trial.get(key) for key in ("last", "events", "cut", "duration_s", "why")},
            }
            for number, trial in enumerate(self.record.trials)
        ]
        return pd.DataFrame(rows)

    def history(self, metric: str) -> pd.DataFrame:
        """Return a row for each logged value of a metric, with the columns `step` and `value`.

        For a sweep, the column `trial` has the number of the trial.

        Raises:
            NotFoundError: The run has not logged the metric.
        """
        with self._origin.context() as context:
            result = context.workspace.job_result(self.name) or JobResult(self.name, self.status)
        known = result.metrics.keys() | {name for one in result.trials for name in one.metrics}
        if metric not in known:
            listed = ", ".join(sorted(known)) or "none"
            raise NotFoundError(
                f"metric: must be a metric of {self.name}, got {metric!r}; there are: {listed}"
                f"{did_you_mean(metric, sorted(known))}"
            )
        if not result.trials:
            return pd.DataFrame(_rows(result.metrics[metric]), columns=["step", "value"])
        rows = [
            {"trial": number} | row
            for number, trial in enumerate(result.trials)
            for row in _rows(trial.metrics.get(metric, ()))
        ]
        return pd.DataFrame(rows, columns=["trial", "step", "value"])

    def logs(self) -> Iterator[str]:
        """Yield the lines of the log. For a running job, wait for further lines.

        The log of a sweep lists the events of its trials.
        """
        with self._origin.context() as context:
            yield from context.workspace.job_log(self.name)

    def wait(self) -> Self:
        """Wait until the job has ended, and show its progress.

        An interrupt ends only the waiting. The job continues, unless `cancel` is called.

        Raises:
            JobError: The job failed or was canceled.
        """
        # Later stages read the saved record. The job may have ended before its record is saved.
        if not (self.status.is_finished and self._past.is_saved):
            stage = self._past.record.stage
            with self._origin.context() as context:
                continues = context.workspace.outlives_command
            if continues:
                # The other values of the config are read from the run folder.
                self._past, _ = self._run(stage, [f"run={self.name}"], {})
            else:
                self._watch_background()
        if self.status.ended_badly:
            raise failure(self.record)
        return self

    def _watch_background(self) -> None:
        """Show the progress of a job that a process on this machine runs, until its end."""
        display = new_display(self._origin.settings.display)
        with self._origin.context() as context, display.shown():
            with display.watching(None, self._past.record.primary_metric) as observer:
                while is_locked(self.folder / COMMAND_LOCK) or self._is_running(context):
                    if result := context.workspace.job_result(self.name):
                        observer.job_changed(result)
                    time.sleep(_POLL_S)
            display.stage_ended(self.record)

    def _is_running(self, context: StageContext) -> bool:
        return context.workspace.find_job(self.name) is JobStatus.RUNNING

    def cancel(self) -> None:
        """Cancel the running job, and wait until the job has ended.

        Raises:
            RefusedError: The job does not run.
        """
        with self._origin.context() as context:
            NamedJob(context, self.name).cancel()

    def register(self, *overrides: str, **values: object) -> "Model":
        """Register the model of a training run, or of the best trial of a sweep.

        Example:
            >>> model = s.register(registration={"name": "digits"})
        """
        return Model(*self._follow(Stage.register, overrides, values))

    def _follow(
        self, stage: Stage, overrides: tuple[str, ...], values: Mapping[str, object]
    ) -> tuple[PastRun, Origin]:
        """Run a later stage, with the overrides that the command line would propose."""
        record = self.record
        repeated = Repeated(self._carried(record.stage), (), self._origin.experiment.registration)
        proposed = next_overrides(record, repeated) or [f"stage={stage}", f"run={self.name}"]
        return self._run(stage, [*proposed[1:], *overrides], values)

    def compared_with(self, names: Sequence[str]) -> Mapping[str, str]:
        """Compare this run with others in its outputs folder. Return kind -> path of each file."""
        values = {"run": [self.name, *names]}
        past, _ = self._run(Stage.compare, self._carried(Stage.compare), values, silent=True)
        return past.record.paths

    def _carried(self, stage: Stage) -> list[str]:
        carried = carried_overrides(self._origin.overrides, stage)
        return [text for text in carried if override_key(text) != "outputs_dir"]

    def _run(
        self,
        stage: Stage,
        overrides: Sequence[str],
        values: Mapping[str, object],
        *,
        silent: bool = False,
    ) -> tuple[PastRun, Origin]:
        """Run a stage in the outputs folder of this run."""
        settings = self._origin.settings
        outputs = self._origin.experiment.outputs_dir
        # The user may have changed the current folder since the first call.
        if Path(OUTPUTS_DIR).resolve() != Path(outputs):
            values = {"outputs_dir": outputs, **values}
        if silent:
            settings = replace(settings, display="none")
        return executed(settings, stage, overrides, values)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}: {self.stage}, {self.status.value}>"

    def _repr_html_(self) -> str:
        return html_of(lambda console: print_summary(self.record, console))


class Model(Run):
    """A handle of a version of a registered model."""

    def deploy(self, *overrides: str, **values: object) -> "Endpoint":
        """Deploy the model to an endpoint.

        Example:
            >>> with model.deploy() as endpoint:
            ...     digits = endpoint.invoke(images)
        """
        return Endpoint(*self._follow(Stage.deploy, overrides, values))


class Endpoint(Run):
    """A handle of an endpoint. A `with` statement deletes the endpoint at the end of its block.

    Without a `with` statement, the endpoint continues to run until `delete` is called.
    """

    def invoke(self, data: Any) -> Any:
        """Send a request to the endpoint, and return the answer.

        Args:
            data: Images with shape (n, 784) and pixels from 0 to 255, or a mapping, which is sent
                as it is.

        Returns:
            For images, an array with n digits. For a mapping, the parsed answer.

        Raises:
            EndpointError: The endpoint answers with an error, or does not answer.
        """
        is_request = isinstance(data, Mapping)
        request = data if is_request else {"data": np.asarray(data).tolist()}
        with self._origin.context() as context:
            answer = context.workspace.invoke(self.name, json.dumps(request).encode())
        return answer if is_request else np.asarray(answer)

    def delete(self) -> None:
        """Delete the endpoint with all its deployments."""
        carried = self._carried(Stage.invoke)
        self._run(Stage.cleanup, carried, {"endpoint.name": self.name})

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.delete()


def _rows(points: Sequence[MetricPoint]) -> list[dict[str, float]]:
    return [{"step": point.step, "value": point.value} for point in points]


def handle_of(past: PastRun, origin: Origin) -> Run:
    """Return the handle of a run."""
    kinds = {Stage.register: Model, Stage.deploy: Endpoint}
    return kinds.get(past.record.stage, Run)(past, origin)
