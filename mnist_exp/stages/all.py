"""stage=all: every stage of the tutorial, one after the other, each with its own record."""

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
        """Return why the endpoint must not be deleted at the end."""
        return [*_other_endpoint_faults(context.config.endpoint), *self._endpoint_faults(context)]

    def _endpoint_faults(self, context: StageContext) -> list[str]:
        endpoint = context.config.endpoint
        rule = "stage=all deletes its endpoint at the end, so it must create a new one"
        if endpoint.reuse:
            return [f"endpoint.reuse: {rule}, got true; set it to false, or use stage=deploy"]
        if endpoint.name is not None and endpoint.name == unfinished_endpoint(context):
            return []
        if endpoint.name is not None and not RUNNERS[Stage.cleanup].faults(context):
            return [f"endpoint.name: {rule}, got {endpoint.name}, which exists; use another name"]
        return []

    def name(self, context: StageContext) -> str:
        """Return a new name."""
        return new_job_name("all")

    def run(self, context: StageContext, record: Record) -> Record:
        """Run the stages, and delete the endpoint at the end, whatever happens."""
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
        """Return the stages that the same command completed before it was interrupted."""
        found = completed_stages(context)
        for stage, record in found.items():
            context.display.message(f"{stage.value}: uses {record.name} of an earlier command")
            record.save(context.folder / stage.value)
        return found

    def _run_one(
        self, context: StageContext, stage: Stage, produced: dict[Stage, Record]
    ) -> Record:
        inner = replace(context, folder=context.folder / stage.value, produced=dict(produced))
        return run_stage(RUNNERS[stage], inner)

    def _clean_up_after_failure(self, context: StageContext, produced: dict[Stage, Record]) -> None:
        """Clean up without hiding the first error: print errors of the cleanup."""
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
    """Yield each key that makes sense only for an endpoint that already exists."""
    own = endpoint.deployment.name
    for key in ("traffic", "mirror_traffic"):
        for name in getattr(endpoint, key):
            if name != own:
                yield (
                    f"endpoint.{key}.{name}: must be {own}, since stage=all creates a new "
                    "endpoint with that deployment only; use stage=deploy"
                )
    if endpoint.invoke_deployment not in (None, own):
        yield (
            f"endpoint.invoke_deployment: must be {own}, since stage=all creates a new endpoint "
            f"with that deployment only, got {endpoint.invoke_deployment}; use stage=invoke"
        )
    if endpoint.regenerate_key is not None:
        yield (
            "endpoint.regenerate_key: must be left out, since stage=all creates a new endpoint "
            f"with new keys, got {endpoint.regenerate_key.value}; use stage=deploy"
        )


def _summary(record: Record, produced: dict[Stage, Record]) -> Record:
    """Return the record of stage=all: the best trial, its model and its endpoint."""
    sweep, register = produced[Stage.sweep], produced[Stage.register]
    return record.with_changes(
        parameters=dict(register.parameters),
        metrics={**register.metrics, **produced[Stage.invoke].metrics},
        best=sweep.best,
        model=register.model,
        endpoint=produced[Stage.deploy].endpoint,
    )
