"""Places to fetch a file from: web servers, and folders that stand in for them."""

from pathlib import Path
from urllib.parse import quote, urlsplit
from urllib.request import url2pathname

from mnist_exp.errors import DataError

_WEB = frozenset({"http", "https"})


class MirrorError(Exception):
    """A mirror could not give the file; the text is a reason of a few words."""


def fetch(mirror: str, name: str, target: Path, timeout: float) -> None:
    """Copy the file `name` of a mirror to `target`.

    Args:
        mirror: Address or folder that `check_address` lets through; a query, such as Azure's
            shared access signature, stays behind the name.
        name: The file below it.
        target: Written as it comes in: may be left incomplete.
        timeout: Seconds to wait for a connection, and then for each further piece.

    Raises:
        MirrorError: The mirror does not have the file or cannot be reached.
        OSError: `target` cannot be written.
    """
    parts = urlsplit(mirror)
    if parts.scheme in _WEB:
        # Slow to import, and most commands fetch nothing.
        from mnist_exp.datasets.web import download_file  # noqa: PLC0415

        path = f"{parts.path.rstrip('/')}/{quote(name)}"
        download_file(parts._replace(path=path).geturl(), target, timeout)
    else:
        folder = Path(url2pathname(parts.path) if parts.scheme else mirror)
        _copy(folder / name, target)


def check_address(mirror: str) -> None:
    """Refuse what `fetch` cannot read from.

    Raises:
        DataError: The address is neither on the web nor a folder.
    """
    try:
        parts = urlsplit(mirror)
        known = bool(parts.hostname) if parts.scheme in _WEB else parts.scheme in {"file", ""}
    except ValueError:
        known = False
    if not known:
        raise DataError(
            f"data.url: must be http(s)://HOST/PATH, file:///PATH or a folder, got {mirror!r}"
        )


def shown(mirror: str) -> str:
    """Return a mirror's address without passwords and signatures."""
    parts = urlsplit(mirror)
    host = parts.netloc.rpartition("@")[2]
    return parts._replace(netloc=host, query="", fragment="").geturl()


def _copy(source: Path, target: Path) -> None:
    try:
        content = source.read_bytes()
    except OSError as error:
        raise MirrorError((error.strerror or "unreadable").lower()) from error
    target.write_bytes(content)
