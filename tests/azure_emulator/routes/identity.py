"""Tokens of identities, and the cloud's metadata."""

import base64
import json
import time

from tests.azure_emulator.wire import Call, RefusalError, Reply, route


@route("GET", "/metadata/endpoints", "metadata")
def metadata(call: Call) -> Reply:
    """Return the cloud's addresses, as the resource manager does."""
    url = call.emulator.url
    return Reply(
        content=[
            {
                "name": f"Emulator{call.emulator.port}",
                # The SDK derives the audience of tokens from the part after the second dot.
                "portal": "https://portal.emulator.localhost",
                "resourceManager": f"{url}/",
                "authentication": {"loginEndpoint": f"{url}/", "audiences": [f"{url}/"]},
                "suffixes": {"storage": "localhost"},
            }
        ]
    )


@route("GET", "/msi/token", "token")
def token(call: Call) -> Reply:
    """Return a token to a managed identity that sends the header of its environment."""
    if call.headers.get("x-identity-header") != "x":
        raise RefusalError(401, "Unauthorized", "the identity header is missing")
    resource = call.query["resource"]
    text, expires = _signed_in(resource)
    return Reply(
        content={
            "access_token": text,
            "expires_on": str(expires),
            "resource": resource,
            "token_type": "Bearer",
        }
    )


@route("GET", r"/adfs/\.well-known/openid-configuration", "metadata.openid")
def openid(call: Call) -> Reply:
    """Return the addresses where a service principal signs in."""
    authority = f"{call.emulator.url}/adfs"
    return Reply(
        content={
            "issuer": authority,
            "authorization_endpoint": f"{authority}/oauth2/authorize",
            "token_endpoint": f"{authority}/oauth2/token",
        }
    )


@route("POST", "/adfs/oauth2/token", "token.secret")
def secret(call: Call) -> Reply:
    """Return a token to a service principal that sends a secret."""
    form = call.form
    if form.get("grant_type") != "client_credentials" or not form.get("client_secret"):
        raise RefusalError(401, "invalid_client", "the secret is missing")
    text, _ = _signed_in(form["scope"].removesuffix("/.default"))
    return Reply(content={"access_token": text, "expires_in": 86_400, "token_type": "Bearer"})


def _signed_in(resource: str) -> tuple[str, int]:
    """Return a token for a resource, and its expiry in seconds of Unix time."""
    expires = int(time.time()) + 86_400
    claims = {"aud": resource.rstrip("/"), "tid": "tenant", "oid": "object", "exp": expires}
    return f"{_part({'alg': 'none', 'typ': 'JWT'})}.{_part(claims)}.", expires


def _part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()
