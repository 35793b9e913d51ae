"""What belongs to no group."""

from collections.abc import Iterator

from mnist_exp.config import ExperimentConfig

__all__ = ["general_faults"]


def general_faults(config: ExperimentConfig) -> Iterator[str]:
    """The seed and the outputs folder."""
    if not 0 <= config.seed < 2**31:
        yield f"seed: must be from 0 to 2147483647, got {config.seed}"
    if not config.outputs_dir.strip():
        yield "outputs_dir: must be a folder, got ''; the default is outputs"
