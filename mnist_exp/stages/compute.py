"""stage=compute: get or create the compute target."""

from dataclasses import asdict

from mnist_exp.config import Stage
from mnist_exp.records import Record
from mnist_exp.stages.context import StageContext


class ComputeStage:
    """The stage that gets or creates the compute target."""

    stage = Stage.compute

    def faults(self, context: StageContext) -> list[str]:
        """Return no faults. The checks of the config already find every fault of this stage."""
        return []

    def name(self, context: StageContext) -> str:
        """Return the compute target's name."""
        return context.config.compute.name

    def run(self, context: StageContext, record: Record) -> Record:
        """Get or create the compute target, and print the notes about this target."""
        compute = context.workspace.get_or_create_compute(context.config.compute)
        for note in compute.notes:
            context.display.message(note)
        return record.with_changes(compute=asdict(compute))
