"""Every answer carries the ids by which a request is found again in the log."""

import uuid

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["RequestIds"]

CLIENT_ID = "x-ms-client-request-id"
#: Azure ML's inference server refuses longer ones, with status 431.
LONGEST_CLIENT_ID = 100


class RequestIds:
    """Adds `x-request-id` and `x-ms-request-id`, and echoes `x-ms-client-request-id`.

    Args:
        app: Finds the id in its scope's state, under `request_id`.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        request_id = str(uuid.uuid4())
        scope.setdefault("state", {})["request_id"] = request_id
        client_id = Headers(scope=scope).get(CLIENT_ID, "")
        fits = len(client_id) <= LONGEST_CLIENT_ID

        async def send_with_ids(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["x-request-id"] = headers["x-ms-request-id"] = request_id
                if client_id and fits:
                    headers[CLIENT_ID] = client_id
            await send(message)

        app = self._app if fits else _TOO_LONG
        await app(scope, receive, send_with_ids)


_TOO_LONG = JSONResponse(
    {"message": f"{CLIENT_ID} must be at most {LONGEST_CLIENT_ID} characters"}, 431
)
