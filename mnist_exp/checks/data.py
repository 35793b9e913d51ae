"""The data group."""

from collections.abc import Iterator
from pathlib import Path

from mnist_exp.config import DataType, ExperimentConfig


def data_faults(config: ExperimentConfig) -> Iterator[str]:
    """A folder must be there."""
    data = config.data
    if data.type is DataType.folder and not Path(data.path or "").is_dir():
        yield (
            f"data.path: must be a folder with the four IDX files, got {data.path}, "
            "which does not exist; or use data=sample"
        )


def data_warnings(config: ExperimentConfig) -> Iterator[str]:
    """A key that another option of the group reads changes nothing."""
    data = config.data
    for key, value, kind in (
        ("path", data.path, DataType.folder),
        ("url", data.url, DataType.mnist),
    ):
        if value is not None and data.type is not kind:
            yield (
                f"data.{key}: changes nothing with data={data.type.value}; "
                f"data={kind.value} alone reads it"
            )
