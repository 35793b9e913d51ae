"""Who the caller is, and where things are: managed identity and the cloud's metadata."""

import base64
import json
import time

from tests.azure_emulator.wire import Call, RefusalError, Reply, route


@route("GET", "/metadata/endpoints", "metadata")
def metadata(call: Call) -> Reply:
    """Answer as the resource manager does when it is asked for the cloud's addresses."""
    url = call.emulator.url
    return Reply(
        content=[
            {
                "name": f"Emulator{call.emulator.port}",
                # The SDK makes the audience of tokens from what follows the second dot.
                "portal": "https://portal.emulator.localhost",
                "resourceManager": f"{url}/",
                "authentication": {"loginEndpoint": f"{url}/", "audiences": [f"{url}/"]},
                "suffixes": {"storage": "localhost"},
            }
        ]
    )


@route("GET", "/msi/token", "token")
def token(call: Call) -> Reply:
    """Give a token to whoever sends the header that the environment names."""
    if call.headers.get("x-identity-header") != "x":
        raise RefusalError(401, "Unauthorized", "the identity header is missing")
    resource = call.query["resource"]
    expires = int(time.time()) + 86_400
    claims = {"aud": resource.rstrip("/"), "tid": "tenant", "oid": "object", "exp": expires}
    return Reply(
        content={
            "access_token": f"{_part({'alg': 'none', 'typ': 'JWT'})}.{_part(claims)}.",
            "expires_on": str(expires),
            "resource": resource,
            "token_type": "Bearer",
        }
    )


def _part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()
