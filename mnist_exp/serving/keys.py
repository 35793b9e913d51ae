"""The keys that open an endpoint."""

import hmac
import json
from pathlib import Path

__all__ = ["KeyCheck"]


class KeyCheck:
    """Compares what callers send with the endpoint's keys, in constant time.

    Args:
        file: JSON with `primary` and `secondary`, readable to its owner alone.
    """

    def __init__(self, file: Path) -> None:
        keys = json.loads(file.read_text(encoding="utf-8"))
        self._keys = (keys["primary"].encode(), keys["secondary"].encode())

    def accepts(self, authorization: str | None) -> bool:
        """Whether this value of the `Authorization` header is `Bearer` and one of the keys."""
        scheme, _, offered = (authorization or "").partition(" ")
        given = offered.strip().encode()
        # Both are always compared, so that the time taken says nothing of either.
        matches = [hmac.compare_digest(given, key) for key in self._keys]
        return scheme.lower() == "bearer" and any(matches)
