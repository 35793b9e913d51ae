"""A job's own command: what it refers to must exist."""

from collections.abc import Iterator

from mnist_exp.checks.sweep import swept_names
from mnist_exp.config import ExperimentConfig, Stage
from mnist_exp.templates import references, unreadable


def command_faults(config: ExperimentConfig) -> Iterator[str]:
    """Every reference must be readable, and every required one defined."""
    job = config.job
    if job.command is None:
        return
    for part in unreadable(job.command):
        yield (
            f"job.command: {part} is no reference; write {{{{inputs.x}}}}, {{{{outputs.x}}}} "
            "or {{search_space.x}}, and what is optional as [[--x {{inputs.x}}]]"
        )
    # stage=all runs the command by itself too, before any value is drawn.
    drawn = swept_names(config) if config.stage is Stage.sweep else set()
    known = {"inputs": {*job.inputs, *drawn}, "outputs": {*job.outputs}, "search_space": drawn}
    if config.stage is Stage.sweep and not drawn:
        # The sweep has faults of its own, which come first.
        del known["search_space"]
    for (kind, name), required in sorted(references(job.command).items()):
        if required and name not in known.get(kind, {name}):
            listed = ", ".join(sorted(known[kind])) or "none"
            yield f"job.command: {{{{{kind}.{name}}}}} is not defined; there are {listed}"
