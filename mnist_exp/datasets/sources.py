"""Find or create the folder of digits that the config group `data` describes."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import assert_never

from platformdirs import user_cache_path

from mnist_exp.config import DataConfig, DataType
from mnist_exp.datasets.digits import validate_folder
from mnist_exp.datasets.download import MIRRORS, download
from mnist_exp.datasets.files import find_files, narrowest_folder
from mnist_exp.datasets.mirrors import check_address
from mnist_exp.datasets.sample import write_sample
from mnist_exp.errors import DataError


def materialize(spec: DataConfig, message: Callable[[str], None]) -> Path:
    """Return a local folder that contains the four IDX files, and check these files.

    With `data=sample` the first call writes the files, and with `data=mnist` the first call
    downloads the files. In these two cases the folder is in `spec.cache_dir`. With `data=folder`
    the user's files are used without a copy.

    Args:
        spec: The config group `data`.
        message: Function that prints a line. It is called when a download starts and when a mirror
            fails.

    Raises:
        DataError: The data is missing or damaged, or cannot be downloaded or written.
    """
    if spec.type is DataType.folder:
        return _users_folder(spec.path)
    folder = local_folder(spec)
    try:
        match spec.type:
            case DataType.sample:
                return write_sample(folder)
            case DataType.mnist:
                return download(folder, _mirrors(spec.url), message)
            case unknown:
                assert_never(unknown)
    except OSError as error:
        raise DataError(
            f"data.cache_dir: {error.filename or folder} cannot be written ({error.strerror}); "
            "use another folder with data.cache_dir=FOLDER"
        ) from error


def local_folder(spec: DataConfig) -> Path:
    """Return the path of the folder for the digits; the folder may not exist yet."""
    if spec.type is DataType.folder:
        return Path(spec.path or "")
    return cache_folder(spec.cache_dir) / spec.type.value


def cache_folder(cache_dir: str | None) -> Path:
    """Return the folder for downloaded and generated files; None means the user's cache folder."""
    return Path(cache_dir or user_cache_path("mnist_exp"))


def _mirrors(url: str | None) -> Sequence[str]:
    if not url:
        return MIRRORS
    check_address(url)
    return (url, *MIRRORS)


def _users_folder(path: str | None) -> Path:
    if path is None:
        raise DataError(
            "data.path: data=folder needs a folder with the four IDX files, got none; "
            "use data.path=FOLDER"
        )
    folder = narrowest_folder(find_files(Path(path)))
    validate_folder(folder)
    return folder
