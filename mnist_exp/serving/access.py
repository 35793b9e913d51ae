"""Access to an endpoint by keys, which never expire, or by tokens, which expire.

A token is signed with the primary key. A new primary key therefore revokes all tokens. A token is
the text `<expires>.<random>.<signature>`. `expires` is in milliseconds of Unix time. The part
`<expires>.<random>` is the claim. The signature covers the claim and the endpoint's name, so that a
token does not give access to another endpoint.
"""

import hashlib
import hmac
import secrets
import time
from collections.abc import Callable

from mnist_exp.serving.files import Credentials

#: Azure ML's name for the authentication mode that uses tokens.
AML_TOKEN = "aml_token"  # noqa: S105

#: Function that returns whether an `Authorization` header gives access to the endpoint.
_AccessCheck = Callable[[bytes], bool]


def access_check(auth_mode: str, endpoint: str, credentials: Credentials) -> _AccessCheck:
    """Return a function that checks an `Authorization` header in constant time."""
    if auth_mode == AML_TOKEN:
        primary = credentials.primary
        return lambda header: _is_token(_bearer(header), endpoint, primary)
    keys = (credentials.primary.encode(), credentials.secondary.encode())
    return lambda header: _is_key(_bearer(header), keys)


def new_token(primary: str, endpoint: str, expires: float) -> str:
    """Return a token that is valid until `expires`, in seconds of Unix time."""
    claim = f"{int(expires * 1000)}.{secrets.token_urlsafe(12)}"
    return f"{claim}.{_signature(claim, endpoint, primary)}"


def _bearer(header: bytes) -> bytes:
    """Return the text after `Bearer`; empty for any other scheme."""
    scheme, _, offered = header.partition(b" ")
    return offered.strip() if scheme.lower() == b"bearer" else b""


def _is_key(offered: bytes, keys: tuple[bytes, bytes]) -> bool:
    # Always compare both keys. Otherwise the time of the comparison would reveal which key matched.
    matches = [hmac.compare_digest(offered, key) for key in keys]
    return any(matches)


def _is_token(offered: bytes, endpoint: str, primary: str) -> bool:
    claim, _, signature = offered.decode("latin-1").rpartition(".")
    expected = _signature(claim, endpoint, primary).encode()
    is_ours = hmac.compare_digest(signature.encode("latin-1"), expected)
    # Parse the claim only if its signature is valid. A claim without a valid signature may not
    # start with a number.
    return is_ours and time.time() * 1000 < int(claim.partition(".")[0])


def _signature(claim: str, endpoint: str, primary: str) -> str:
    signed = f"{endpoint}\n{claim}".encode()
    return hmac.new(primary.encode(), signed, hashlib.sha256).hexdigest()
