"""The experiment: the composed config, and what follows from it."""

from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

from mnist_exp.config import ExperimentConfig
from mnist_exp.sweeps import SweepPlan, parse_sweep


@dataclass
class Experiment(ExperimentConfig):
    """A composed config with what only its composition knows.

    Attributes:
        sources: Job input -> the config key whose value the input takes, e.g. `epochs` ->
            `model.epochs`. A search space may name either of the two.
    """

    sources: dict[str, str] = field(default_factory=dict)

    @cached_property
    def parsed_sweep(self) -> tuple[SweepPlan | None, list[str]]:
        """The sweep, parsed once: the plan, None if there are faults, and a line for each fault."""
        return parse_sweep(self.sweep)

    def content(self) -> dict[str, Any]:
        """Return the config as plain values, as `config.json` in a run folder has it.

        `job.sources` is the place where the file has always had the sources.
        """
        content = asdict(self)
        content["job"]["sources"] = content.pop("sources")
        return content
