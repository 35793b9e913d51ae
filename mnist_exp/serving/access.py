"""Access to an endpoint: keys, which never expire, or tokens, which do.

A token is signed with the primary key, so regenerating that key revokes every token. A token's
text is `<expires>.<random>.<signature>`, where `expires` is in milliseconds. The signature also
covers the endpoint's name.
"""

import hashlib
import hmac
import secrets
import time
from collections.abc import Callable

from mnist_exp.serving.files import Credentials

#: Azure ML's name of the mode with tokens.
AML_TOKEN = "aml_token"  # noqa: S105

#: Function that returns whether a value of the `Authorization` header opens the endpoint.
_AccessCheck = Callable[[bytes], bool]


def access_check(auth_mode: str, endpoint: str, credentials: Credentials) -> _AccessCheck:
    """Return a function that checks an `Authorization` header in constant time."""
    if auth_mode == AML_TOKEN:
        primary = credentials.primary
        return lambda header: _is_token(_bearer(header), endpoint, primary)
    keys = (credentials.primary.encode(), credentials.secondary.encode())
    return lambda header: _is_key(_bearer(header), keys)


def new_token(primary: str, endpoint: str, expires: float) -> str:
    """Return a token that opens the endpoint until `expires`, in seconds of Unix time."""
    claim = f"{int(expires * 1000)}.{secrets.token_urlsafe(12)}"
    return f"{claim}.{_signature(claim, endpoint, primary)}"


def _bearer(header: bytes) -> bytes:
    """Return the text after `Bearer`, or nothing for any other scheme."""
    scheme, _, offered = header.partition(b" ")
    return offered.strip() if scheme.lower() == b"bearer" else b""


def _is_key(offered: bytes, keys: tuple[bytes, bytes]) -> bool:
    # Always compare both keys, so that the time taken reveals nothing about either key.
    matches = [hmac.compare_digest(offered, key) for key in keys]
    return any(matches)


def _is_token(offered: bytes, endpoint: str, primary: str) -> bool:
    claim, _, signature = offered.decode("latin-1").rpartition(".")
    expected = _signature(claim, endpoint, primary).encode()
    is_ours = hmac.compare_digest(signature.encode("latin-1"), expected)
    # Parse the claim only if we signed it: any other text may hold anything.
    return is_ours and time.time() * 1000 < int(claim.partition(".")[0])


def _signature(claim: str, endpoint: str, primary: str) -> str:
    signed = f"{endpoint}\n{claim}".encode()
    return hmac.new(primary.encode(), signed, hashlib.sha256).hexdigest()
