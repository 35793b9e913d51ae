"""Download all 70,000 digits of MNIST, and check the downloaded files."""

import gzip
import hashlib
import tempfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from mnist_exp.datasets.files import TEST_IMAGES, TEST_LABELS, TRAIN_IMAGES, TRAIN_LABELS
from mnist_exp.datasets.mirrors import MirrorError, fetch, shown
from mnist_exp.errors import DataError

#: Mirrors in order of preference: the mirrors of the tutorial, of TensorFlow and of PyTorch.
MIRRORS = (
    "https://azureopendatastorage.blob.core.windows.net/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
)

#: File name -> sha256 of the unpacked content. The compressed files differ between mirrors.
MNIST = {
    TRAIN_IMAGES: "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    TRAIN_LABELS: "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    TEST_IMAGES: "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    TEST_LABELS: "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}

_CHUNK_BYTES = 1 << 20


def download(
    folder: Path,
    mirrors: Sequence[str],
    message: Callable[[str], None],
    registry: Mapping[str, str] = MNIST,
    timeout: float = 20.0,
) -> Path:
    """Download the files of `registry` that are missing in `folder`, and return the folder.

    A file gets its final name only when the file is complete and correct. An interrupted download
    therefore resumes with the first missing file. Several commands may download at the same time.

    Args:
        folder: The folder for the files, created if necessary.
        mirrors: Addresses to try, in order of preference.
        message: Function that prints a line. It is called when a download starts and when a mirror
            fails.
        registry: File name -> sha256 of the file's unpacked content.
        timeout: Maximum seconds to wait for a connection, and for each piece of data.

    Raises:
        DataError: A file could not be downloaded with the right content from any mirror.
        OSError: The folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    order = list(mirrors)
    try:
        for name, checksum in registry.items():
            if _content_sha256(folder / name) != checksum:
                order = _fetch_checked(folder / name, checksum, order, message, timeout)
    except DataError:
        # Delete the folder if it is empty. If the folder has files, rmdir() raises an OSError.
        with suppress(OSError):
            folder.rmdir()
        raise
    return folder


def _fetch_checked(
    path: Path, checksum: str, mirrors: list[str], message: Callable[[str], None], timeout: float
) -> list[str]:
    """Download one file, and return the mirrors in the order of preference for the next file."""
    faults: list[str] = []
    for position, mirror in enumerate(mirrors):
        message(f"data: downloading {path.name} from {shown(mirror)}")
        try:
            _fetch_from(mirror, path, checksum, timeout)
        except MirrorError as error:
            faults.append(f"{shown(mirror)}: {error}")
            message(f"data: {faults[-1]}")
        else:
            # For the next files, try the failed mirrors last. Otherwise each file could wait for a
            # timeout again.
            return mirrors[position:] + mirrors[:position]
    raise DataError(
        f"data.url: no mirror sent a correct {path.name} ({'; '.join(faults)}); use data=sample, "
        "data=folder data.path=FOLDER, or data.url=ADDRESS of a mirror that you can reach"
    )


def _fetch_from(mirror: str, path: Path, checksum: str, timeout: float) -> None:
    # Use a temporary folder in the folder of the target, because a file can be renamed only within
    # one file system.
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".download-") as temporary:
        incoming = Path(temporary, path.name)
        fetch(mirror, path.name, incoming, timeout)
        if _content_sha256(incoming) != checksum:
            raise MirrorError("the file is damaged, or is not MNIST's file (wrong checksum)")
        incoming.replace(path)


def _content_sha256(path: Path) -> str | None:
    """Return the checksum of a file's unpacked content; None if the file cannot be unpacked."""
    digest = hashlib.sha256()
    try:
        with gzip.open(path) as file:
            while chunk := file.read(_CHUNK_BYTES):
                digest.update(chunk)
    except (OSError, EOFError, zlib.error):
        return None
    return digest.hexdigest()
