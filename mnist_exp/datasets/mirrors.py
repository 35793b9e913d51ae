"""Mirrors of MNIST's files. A mirror is a web server or a local folder with the four files."""

import sys
from pathlib import Path
from urllib.parse import quote, urlsplit
from urllib.request import url2pathname

from mnist_exp.errors import DataError

_WEB = frozenset({"http", "https"})
_CHUNK_BYTES = 1 << 16


class MirrorError(Exception):
    """The error for a mirror that sends no file or a wrong file. The message is the reason."""


def fetch(mirror: str, name: str, target: Path, timeout: float) -> None:
    """Copy the file `name` of a mirror to `target`.

    Args:
        mirror: An address or a folder that `check_address` accepts. If the address has a query
            (such as Azure's shared access signature), the request has the same query.
        name: The file's name on the mirror.
        target: The file to write. After an error, this file may be incomplete.
        timeout: Maximum seconds to wait for a connection, and for each piece of data.

    Raises:
        MirrorError: The mirror does not have the file or cannot be reached.
        OSError: `target` cannot be written.
    """
    parts = urlsplit(mirror)
    if parts.scheme in _WEB:
        path = f"{parts.path.rstrip('/')}/{quote(name)}"
        _download(parts._replace(path=path).geturl(), target, timeout)
    else:
        folder = Path(url2pathname(parts.path) if parts.scheme else mirror)
        _copy(folder / name, target)


def check_address(mirror: str) -> None:
    """Check that an address has a format that `fetch` can read.

    Raises:
        DataError: The address is neither a web address nor a folder.
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


def _download(url: str, target: Path, timeout: float) -> None:
    # Import late: both imports together take 0.3 s, and most commands download nothing.
    import pooch  # noqa: PLC0415
    import requests  # noqa: PLC0415

    downloader = pooch.HTTPDownloader(
        progressbar=sys.stderr.isatty(),
        chunk_size=_CHUNK_BYTES,
        timeout=timeout,
        # Without this header some servers unpack the file, or compress the file a second time.
        headers={"Accept-Encoding": "identity"},
    )
    # Do not print the text of an error from requests. The text is long, and contains the address
    # with its secret signature.
    reasons = {
        requests.exceptions.ProxyError: "the proxy refused",
        requests.exceptions.SSLError: "the server's certificate was refused",
        requests.Timeout: "timed out",
        requests.exceptions.ChunkedEncodingError: "the connection ended early",
        requests.ConnectionError: "no connection",
        requests.exceptions.InvalidURL: "not a valid address",
    }
    try:
        downloader(url, str(target), None)
    except requests.RequestException as error:
        if error.response is not None:
            reason = f"answered {error.response.status_code} {error.response.reason}".rstrip()
        else:
            known = (text for kind, text in reasons.items() if isinstance(error, kind))
            reason = next(known, "failed")
        raise MirrorError(reason) from error
