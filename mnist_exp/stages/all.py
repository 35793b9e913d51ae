"""stage=all: every stage, one after the other, each with a record of its own."""

from dataclasses import replace

from mnist_exp.config import Stage
from mnist_exp.names import new_job_name
from mnist_exp.records import Record
from mnist_exp.stages import RUNNERS
from mnist_exp.stages.context import StageContext, run_stage

__all__ = ["AllStages"]

ORDER = (
    Stage.compute,
    Stage.train,
    Stage.sweep,
    Stage.register,
    Stage.deploy,
    Stage.invoke,
)


class AllStages:
    """Runs the whole tutorial."""

    stage = Stage.all

    def faults(self, context: StageContext) -> list[str]:
        """Only an endpoint that is to be used again must be there before."""
        if context.config.endpoint.reuse:
            return RUNNERS[Stage.cleanup].faults(context)
        return []

    def name(self, context: StageContext) -> str:
        """Return a new name."""
        return new_job_name("all")

    def run(self, context: StageContext, record: Record) -> Record:
        """Run the stages; once there is an endpoint it is deleted, whatever happens after."""
        produced: dict[Stage, Record] = {}
        try:
            for stage in ORDER:
                produced[stage] = self._run_one(context, stage, produced)
        finally:
            if self._left_endpoint(context, produced):
                produced[Stage.cleanup] = self._run_one(context, Stage.cleanup, produced)
        return _summary(record, produced).with_changes(paths={"folder": str(context.folder)})

    def _run_one(
        self, context: StageContext, stage: Stage, produced: dict[Stage, Record]
    ) -> Record:
        inner = replace(context, folder=context.folder / stage.value, produced=dict(produced))
        return run_stage(RUNNERS[stage], inner)

    def _left_endpoint(self, context: StageContext, produced: dict[Stage, Record]) -> bool:
        """Whether this command has begun an endpoint, finished or not."""
        if Stage.deploy in produced:
            return True
        path = context.folder / Stage.deploy.value / "run.json"
        return path.exists() and not RUNNERS[Stage.cleanup].faults(context)


def _summary(record: Record, produced: dict[Stage, Record]) -> Record:
    """Return the record of the whole: the winner, its model, its endpoint."""
    sweep, register = produced[Stage.sweep], produced[Stage.register]
    return record.with_changes(
        parameters=dict(register.parameters),
        metrics={**register.metrics, **produced[Stage.invoke].metrics},
        best=sweep.best,
        model=register.model,
        endpoint=produced[Stage.deploy].endpoint,
    )
