"""The inputs of a job as MLflow's data sets, which MLflow's UI shows in a column of its table."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path

from mlflow.entities import Dataset, DatasetInput, InputTag
from mlflow.utils.mlflow_tags import MLFLOW_DATASET_CONTEXT

from mnist_exp.config import DataConfig
from mnist_exp.errors import MnistExpError
from mnist_exp.specs import Literal, PathInput
from mnist_exp.workspaces.local.jobs.inputs import local_path

#: Maximum number of files, and of bytes of their content, in the digest of an input.
_MOST_FILES, _MOST_BYTES = 10_000, 32 * 2**20


def data_sets(inputs: Mapping[str, Literal | PathInput]) -> list[DatasetInput]:
    """Return a data set for each path input that can be read.

    An input that cannot be read is left out, because the job itself reports such an input.
    """
    found = []
    for name, value in inputs.items():
        if isinstance(value, PathInput):
            try:
                path = local_path(name, value.path, lambda _: None)
                found.append(_data_set(name, value, path))
            except (MnistExpError, OSError):
                continue
    return found


def digest(path: Path) -> str:
    """Return eight hex digits that depend on the names, the sizes and the content of files.

    Only the first 10,000 files and the first 32 MiB are read, so that a large input costs little
    time.
    """
    found, left = hashlib.sha256(), _MOST_BYTES
    for file in _files(path):
        size = file.stat().st_size
        found.update(f"{file.relative_to(path)}\0{size}\0".encode(errors="surrogateescape"))
        if left > 0:
            with file.open("rb") as content:
                found.update(content.read(left))
            left -= size
    return found.hexdigest()[:8]


def _files(path: Path) -> Iterator[Path]:
    if path.is_file():
        yield path
    else:
        yield from islice((file for file in sorted(path.rglob("*")) if file.is_file()), _MOST_FILES)


def _data_set(name: str, value: PathInput, path: Path) -> DatasetInput:
    title = f"{name} ({value.path.type})" if isinstance(value.path, DataConfig) else name
    source = json.dumps({"uri": str(path)})
    return DatasetInput(
        Dataset(name=title, digest=digest(path), source_type="local", source=source),
        [InputTag(key=MLFLOW_DATASET_CONTEXT, value="training")],
    )
