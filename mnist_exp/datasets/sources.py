"""The folder with the four IDX files that the data group describes."""

from collections.abc import Callable, Sequence
from pathlib import Path

from platformdirs import user_cache_path

from mnist_exp.config import DataConfig, DataType
from mnist_exp.datasets.digits import validate_folder
from mnist_exp.datasets.download import MIRRORS, download
from mnist_exp.datasets.files import find_files, narrowest_folder
from mnist_exp.datasets.mirrors import check_address
from mnist_exp.datasets.sample import write_sample
from mnist_exp.errors import DataError


def materialize(spec: DataConfig, message: Callable[[str], None]) -> Path:
    """Return a local folder that contains the four IDX files, after checking all of them.

    `sample` and `mnist` are written or downloaded once, and kept in `spec.cache_dir`. A user's
    folder is used in place.

    Args:
        spec: The data group.
        message: Called with a line before each slow step.

    Raises:
        DataError: The data is missing or damaged, or cannot be downloaded or written.
    """
    if spec.type is DataType.folder:
        return _users_folder(spec.path)
    folder = local_folder(spec)
    try:
        if spec.type is DataType.sample:
            return write_sample(folder)
        return download(folder, _mirrors(spec.url), message)
    except OSError as error:
        raise DataError(
            f"data.cache_dir: {error.filename or folder} cannot be written ({error.strerror}); "
            "use another folder with data.cache_dir=FOLDER"
        ) from error


def local_folder(spec: DataConfig) -> Path:
    """Return the folder of the digits, whether or not it exists yet."""
    if spec.type is DataType.folder:
        return Path(spec.path or "")
    return Path(spec.cache_dir or user_cache_path("mnist_exp"), spec.type.value)


def _mirrors(url: str | None) -> Sequence[str]:
    if not url:
        return MIRRORS
    check_address(url)
    return (url, *MIRRORS)


def _users_folder(path: str | None) -> Path:
    if path is None:
        raise DataError("data.path: data=folder needs a folder with the four IDX files, got none")
    folder = narrowest_folder(find_files(Path(path)))
    validate_folder(folder)
    return folder
