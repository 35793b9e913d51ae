"""stage=all: run the stages of the tutorial, and write a record for each stage.

The tutorial's stages create an endpoint. At the end, this stage deletes the endpoint.
"""

from collections.abc import Iterator
from dataclasses import replace

from mnist_exp.config import EndpointConfig, Stage
from mnist_exp.errors import MnistExpError, NotFoundError
from mnist_exp.names import new_job_name
from mnist_exp.records import RECORD_NAME, Record, load_record
from mnist_exp.stages import RUNNERS
from mnist_exp.stages.context import StageContext
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


class AllStages:
    """The stage that runs the whole tutorial."""

    stage = Stage.all

    def faults(self, context: StageContext) -> list[str]:
        """Return a fault for each setting that is useful only for an existing endpoint."""
        return [*_other_endpoint_faults(context.config.endpoint), *self._endpoint_faults(context)]

    def _endpoint_faults(self, context: StageContext) -> list[str]:
        endpoint = context.config.endpoint
        why = "because stage=all creates an endpoint and deletes this endpoint at the end"
        if endpoint.reuse:
            return [
                f"endpoint.reuse: must be false, {why}, got true; use endpoint.reuse=false, or "
                "stage=deploy"
            ]
        if endpoint.name is not None and endpoint.name == unfinished_endpoint(context):
            return []
        if endpoint.name is not None and not RUNNERS[Stage.cleanup].faults(context):
            return [
                f"endpoint.name: must be a new name, {why}, got {endpoint.name}, which exists; "
                "use another name"
            ]
        return []

    def name(self, context: StageContext) -> str:
        """Return a new name for this run."""
        return new_job_name("all")

    def run(self, context: StageContext, record: Record) -> Record:
        """Run the stages in order. Delete the endpoint at the end, even after an error."""
        produced = self._earlier_results(context)
        try:
            for stage in _ORDER:
                if stage not in produced:
                    produced[stage] = self._run_one(context, stage, produced)
        except BaseException:
            self._clean_up_after_failure(context, produced)
            raise
        self._clean_up(context, produced)
        return _summary(record, produced).with_changes(paths={"folder": str(context.folder)})

    def _earlier_results(self, context: StageContext) -> dict[Stage, Record]:
        """Return stage -> record for the stages that an earlier command completed.

        The earlier command was interrupted, and had the same config and code.
        """
        found = completed_stages(context)
        for stage, record in found.items():
            context.display.message(
                f"{stage.value}: skipped, because an earlier command completed {record.name}"
            )
            record.save(context.folder / stage.value)
        return found

    def _run_one(
        self, context: StageContext, stage: Stage, produced: dict[Stage, Record]
    ) -> Record:
        inner = replace(context, folder=context.folder / stage.value, produced=dict(produced))
        return run_stage(RUNNERS[stage], inner)

    def _clean_up_after_failure(self, context: StageContext, produced: dict[Stage, Record]) -> None:
        """Delete the endpoint. If the deletion fails, print its error instead of raising it."""
        try:
            self._clean_up(context, produced)
        except MnistExpError as error:
            for line in error.lines:
                context.display.message(line)
            context.display.message("delete the endpoint with mnist-exp stage=cleanup")

    def _clean_up(self, context: StageContext, produced: dict[Stage, Record]) -> None:
        """Delete the endpoint that this command created, even if its deployment failed."""
        try:
            deployed = load_record(context.folder / Stage.deploy.value / RECORD_NAME)
        except NotFoundError:
            return
        produced.setdefault(Stage.deploy, deployed)
        inner = replace(context, produced=produced)
        if not RUNNERS[Stage.cleanup].faults(inner):
            produced[Stage.cleanup] = self._run_one(context, Stage.cleanup, produced)


def _other_endpoint_faults(endpoint: EndpointConfig) -> Iterator[str]:
    """Yield a fault for each key, except `reuse` and `name`, that needs an existing endpoint."""
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
