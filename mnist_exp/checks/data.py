"""The data group."""

from collections.abc import Iterator
from pathlib import Path

from mnist_exp.config import DataType, ExperimentConfig

__all__ = ["data_faults"]


def data_faults(config: ExperimentConfig) -> Iterator[str]:
    """A folder must be there."""
    data = config.data
    if data.type is DataType.folder and not Path(data.path or "").is_dir():
        yield (
            f"data.path: must be a folder with the four IDX files, got {data.path}, "
            "which does not exist; or use data=sample"
        )
