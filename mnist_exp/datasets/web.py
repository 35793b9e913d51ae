"""Files from web servers."""

import sys
from pathlib import Path

import pooch
import requests

from mnist_exp.datasets.mirrors import MirrorError

_CHUNK_BYTES = 1 << 16


def download_file(url: str, target: Path, timeout: float) -> None:
    """Download to `target`.

    Args:
        url: An http(s) address.
        target: Written as it comes in: may be left incomplete.
        timeout: Seconds to wait for a connection, and then for each further piece.

    Raises:
        MirrorError: The server does not have the file or cannot be reached.
        OSError: `target` cannot be written.
    """
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
