"""Places to fetch a file from: web servers, and folders that stand in for them."""

import sys
from pathlib import Path
from urllib.parse import quote, urlsplit
from urllib.request import url2pathname

import pooch
import requests

from mnist_exp.errors import DataError

__all__ = ["MirrorError", "check_address", "fetch", "shown"]

_WEB = frozenset({"http", "https"})

_CHUNK_BYTES = 1 << 16


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
        path = f"{parts.path.rstrip('/')}/{quote(name)}"
        _download(parts._replace(path=path).geturl(), target, timeout)
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


def _download(url: str, target: Path, timeout: float) -> None:
    downloader = pooch.HTTPDownloader(
        progressbar=sys.stderr.isatty(),
        chunk_size=_CHUNK_BYTES,
        timeout=timeout,
        # Some servers would otherwise unpack the file or pack it once more on its way.
        headers={"Accept-Encoding": "identity"},
    )
    try:
        downloader(url, str(target), None)
    except requests.RequestException as error:
        raise MirrorError(_reason(error)) from error


def _reason(error: requests.RequestException) -> str:
    # Their own texts are long and carry the address with its signature.
    if error.response is not None:
        return f"answered {error.response.status_code} {error.response.reason}".rstrip()
    reasons = {
        requests.exceptions.ProxyError: "the proxy refused",
        requests.exceptions.SSLError: "its certificate was refused",
        requests.Timeout: "timed out",
        requests.exceptions.ChunkedEncodingError: "broke off",
        requests.ConnectionError: "no connection",
        requests.exceptions.InvalidURL: "not a valid address",
    }
    return next((text for kind, text in reasons.items() if isinstance(error, kind)), "failed")
