"""stage=compute: get or create the compute target."""

from dataclasses import asdict
from functools import cached_property

from mnist_exp.config import Stage
from mnist_exp.records import Record
from mnist_exp.stages.context import StageRunner


class ComputeStage(StageRunner):
    """The stage that gets or creates the compute target."""

    stage = Stage.compute

    @cached_property
    def name(self) -> str:
        """The compute target's name."""
        return self.context.config.compute.name

    def run(self, record: Record) -> Record:
        """Get or create the compute target, and print the notes about this target."""
        compute = self.context.workspace.get_or_create_compute(self.context.config.compute)
        for note in compute.notes:
            self.context.display.message(note)
        return record.with_changes(compute=asdict(compute))
