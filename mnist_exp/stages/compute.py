"""stage=compute: get the compute target, or create it."""

from dataclasses import asdict

from mnist_exp.config import Stage
from mnist_exp.records import Record
from mnist_exp.stages.context import StageContext


class ComputeStage:
    """Gets the compute target, or creates it."""

    stage = Stage.compute

    def faults(self, context: StageContext) -> list[str]:
        """Nothing beyond the config's own rules."""
        return []

    def name(self, context: StageContext) -> str:
        """Return the compute target's name."""
        return context.config.compute.name

    def run(self, context: StageContext, record: Record) -> Record:
        """Get or create it."""
        compute = context.workspace.get_or_create_compute(context.config.compute)
        for note in compute.notes:
            context.display.message(note)
        return record.with_changes(compute=asdict(compute))
