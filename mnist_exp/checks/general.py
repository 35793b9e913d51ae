"""What belongs to no group."""

from collections.abc import Iterator
from pathlib import Path

from mnist_exp.config import ExperimentConfig, Stage, WorkspaceType

#: Of a seed, and how a message says so.
SEEDS = range(2**31)
SEED_RULE = f"from {SEEDS[0]} to {SEEDS[-1]}"

#: Stages that always begin anew.
_FRESH = (Stage.compute, Stage.doctor, Stage.all)


def general_faults(config: ExperimentConfig) -> Iterator[str]:
    """The seed, the outputs folder, and what to go on from."""
    if config.seed not in SEEDS:
        yield f"seed: must be {SEED_RULE}, got {config.seed}"
    if not config.outputs_dir.strip():
        yield "outputs_dir: must be a folder, got ''; the default is outputs"
    if config.outputs_dir.startswith("~"):
        # Hydra makes folders of its own below it, and takes the sign for a letter.
        meant = Path(config.outputs_dir).expanduser()
        yield f"outputs_dir: ~ is not understood here; write outputs_dir={meant}"
    if {"'", '"'} <= set(str(Path(config.outputs_dir).absolute())):
        yield (
            "outputs_dir: MLflow opens no store in a path with both ' and \", "
            f"got {Path(config.outputs_dir).absolute()}; choose another with outputs_dir=DIR"
        )
    if config.workspace.type is WorkspaceType.local and not config.wait:
        yield (
            "wait: jobs on this machine end with the command that watches them; "
            "leave wait=false out, or add workspace=azure"
        )
    if config.stage is Stage.all and not config.wait:
        yield "wait: stage=all goes on from each result; leave wait=false out, or take one stage"
    if config.run is not None and config.stage in _FRESH:
        yield (
            f"run: stage={config.stage.value} goes on from no record, got {config.run}; "
            "leave run= out"
        )
    if config.resume not in (None, "last"):
        yield f"resume: must be last, got {config.resume!r}; run=NAME names a run to go on with"
    elif config.resume and config.run:
        yield f"resume: run={config.run} names it already; give one of the two"
    elif config.resume and config.stage is not Stage.sweep:
        yield f"resume: only stage=sweep takes it, got stage={config.stage}; use run=NAME"
