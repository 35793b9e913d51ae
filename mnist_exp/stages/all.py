"""stage=all: run the stages of the tutorial, and write a record for each stage.

The tutorial's stages create an endpoint. At the end, this stage deletes the endpoint.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cached_property

from mnist_exp.config import EndpointConfig, Stage
from mnist_exp.errors import MnistExpError, NotFoundError
from mnist_exp.names import new_job_name
from mnist_exp.records import RECORD_NAME, Record, load_record
from mnist_exp.specs import Spec, SweepJob
from mnist_exp.stages import RUNNERS
from mnist_exp.stages.cleanup import deletes_more
from mnist_exp.stages.context import StageContext, StageRunner
from mnist_exp.stages.earlier_records import endpoint_faults
from mnist_exp.stages.recording import run_stage
from mnist_exp.stages.resume import completed_stages, unfinished_endpoint

_ORDER = (
    Stage.compute,
    Stage.train,
    Stage.sweep,
    Stage.register,
    Stage.deploy,
    Stage.invoke,
)


class AllStages(StageRunner):
    """The stage that runs the whole tutorial."""

    stage = Stage.all

    def __init__(self, context: StageContext) -> None:
        super().__init__(context)
        #: Stage -> record, for the completed stages. The contexts of all stages share this mapping.
        self._produced: dict[Stage, Record] = {}
        self._parts = {stage: self._part(stage) for stage in (*_ORDER, Stage.cleanup)}

    def _part(self, stage: Stage) -> StageRunner:
        folder = self.context.folder / stage.value
        return RUNNERS[stage](replace(self.context, folder=folder, produced=self._produced))

    def faults(self) -> list[str]:
        """Return a fault for each setting that is useful only for an existing endpoint."""
        return [*_other_endpoint_faults(self.context.config.endpoint), *self._endpoint_faults()]

    def _endpoint_faults(self) -> list[str]:
        endpoint = self.context.config.endpoint
        why = "because stage=all creates an endpoint and deletes this endpoint at the end"
        if endpoint.reuse:
            return [
                f"endpoint.reuse: must be false, {why}, got true; use endpoint.reuse=false, or "
                "stage=deploy"
            ]
        if endpoint.name is not None and endpoint.name == unfinished_endpoint(self.context):
            return []
        if endpoint.name is not None and not endpoint_faults(self.context):
            return [
                f"endpoint.name: must be a new name, {why}, got {endpoint.name}, which exists; "
                "use another name"
            ]
        return []

    @cached_property
    def name(self) -> str:
        """A new name for this run."""
        return new_job_name("all")

    @property
    def specs(self) -> Sequence[Spec]:
        """The training job, the endpoint and the deployment."""
        return (*self._parts[Stage.train].specs, *self._parts[Stage.deploy].specs)

    def run(self, record: Record) -> Record:
        """Run the stages in order. Delete the endpoint at the end, even after an error."""
        self._produced.update(self._earlier_results())
        try:
            for stage in _ORDER:
                if stage not in self._produced:
                    if stage is Stage.train:
                        self._prefetch_sweep()
                    self._produced[stage] = run_stage(self._parts[stage])
        except BaseException:
            self._clean_up_after_failure()
            raise
        self._clean_up()
        paths = {"folder": str(self.context.folder)}
        if report := self._produced[Stage.sweep].paths.get("report"):
            paths["report"] = report
        return _summary(record, self._produced).with_changes(paths=paths)

    def _prefetch_sweep(self) -> None:
        """Let the workspace load the libraries of the sweep while the training job runs."""
        with self.context.display.watching(None, "") as observer:
            for job in self._parts[Stage.sweep].specs:
                if isinstance(job, SweepJob):
                    self.context.workspace.prefetch(job, None, observer)

    def _earlier_results(self) -> dict[Stage, Record]:
        """Return stage -> record for the stages that an earlier command completed.

        The earlier command was interrupted, and had the same config and code.
        """
        found = completed_stages(self.context)
        for stage, record in found.items():
            self.context.display.message(
                f"{stage.value}: skipped, because an earlier command completed {record.name}"
            )
            record.save(self.context.folder / stage.value)
        return found

    def _clean_up_after_failure(self) -> None:
        """Delete the endpoint. If the deletion fails, print its error instead of raising it."""
        try:
            self._clean_up()
        except MnistExpError as error:
            for line in error.lines:
                self.context.display.message(line)
            self.context.display.message("delete the endpoint with mnist-exp stage=cleanup")

    def _clean_up(self) -> None:
        """Delete the endpoint that this command created, even if its deployment failed."""
        try:
            deployed = load_record(self.context.folder / Stage.deploy.value / RECORD_NAME)
        except NotFoundError:
            return
        self._produced.setdefault(Stage.deploy, deployed)
        cleanup = self._parts[Stage.cleanup]
        if deletes_more(self.context) or not endpoint_faults(cleanup.context):
            self._produced[Stage.cleanup] = run_stage(cleanup)


def _other_endpoint_faults(endpoint: EndpointConfig) -> Iterator[str]:
    """Yield a fault for each key that needs an existing endpoint, except `reuse` and `name`."""
    own = endpoint.deployment.name
    for key in ("traffic", "mirror_traffic"):
        for name in getattr(endpoint, key):
            if name != own:
                yield (
                    f"endpoint.{key}.{name}: must be {own}, because stage=all creates a new "
                    "endpoint with only this deployment; use stage=deploy"
                )
    if endpoint.invoke_deployment not in (None, own):
        yield (
            f"endpoint.invoke_deployment: must be {own}, because stage=all creates a new endpoint "
            f"with only this deployment, got {endpoint.invoke_deployment}; use stage=invoke"
        )
    if endpoint.regenerate_key is not None:
        yield (
            "endpoint.regenerate_key: must be omitted, because stage=all creates a new endpoint "
            f"with new keys, got {endpoint.regenerate_key.value}; use stage=deploy"
        )


def _summary(record: Record, produced: dict[Stage, Record]) -> Record:
    """Return the record of stage=all with the best trial, the model and the endpoint."""
    sweep, register = produced[Stage.sweep], produced[Stage.register]
    return record.with_changes(
        parameters=dict(register.parameters),
        metrics={**register.metrics, **produced[Stage.invoke].metrics},
        best=sweep.best,
        model=register.model,
        endpoint=produced[Stage.deploy].endpoint,
    )
