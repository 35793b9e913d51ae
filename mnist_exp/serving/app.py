"""The endpoint in front of a worker: what Azure ML's front door says, and when.

| status | when |
|---|---|
| 200 | the result of `run` as JSON; `/` and `/health`: `Healthy`, as soon as `init` is through |
| 400 | the body is not UTF-8 |
| 401 | the key is missing or wrong |
| 404 | no such path; `azureml-model-deployment` names another deployment |
| 405 | `/score` takes POST, the health routes GET |
| 408 | no answer within request_timeout_ms, the sending of the body included |
| 413 | the body is larger than 10 MB |
| 424 | `run` raised: the container's status 500, in two headers |
| 429 | 2 * max_concurrent_requests_per_instance * instance_count requests are unanswered |
| 431 | `x-ms-client-request-id` is longer than 100 characters |

What `run` raised is in the log and not in the answer, whatever its type: on Azure ML no caller
sees it, and a client must not learn to rely on it here.
https://learn.microsoft.com/azure/machine-learning/how-to-troubleshoot-online-endpoints
"""

import asyncio

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from mnist_exp.serving.keys import KeyCheck
from mnist_exp.serving.request_ids import RequestIds
from mnist_exp.serving.settings import Settings
from mnist_exp.serving.worker import ScoringError, Worker

__all__ = ["PAYLOAD_LIMIT", "create_app"]

#: Bytes of a request's body: a managed online endpoint's 10 MB.
#: https://learn.microsoft.com/azure/machine-learning/how-to-manage-quotas
PAYLOAD_LIMIT = 10 * 1024 * 1024

#: The container's words for a script that raised, and the endpoint's headers about it.
SCRIPT_FAILED = "An unexpected error occurred in scoring script. Check the logs for more info."
CONTAINER_FAILED = {
    "ms-azureml-model-error-statuscode": "500",
    "ms-azureml-model-error-reason": "model_error",
}
DEPLOYMENT_HEADER = "azureml-model-deployment"


def create_app(settings: Settings, worker: Worker, keys: KeyCheck) -> ASGIApp:
    """Return the endpoint's application; `worker` has been started when requests come."""
    score = _Score(settings, worker, keys)
    routes = [
        Route("/", _health),
        Route("/health", _health),
        Route("/score", score.answer, methods=["POST"]),
    ]
    handlers = {HTTPException: _refusal, Exception: _internal_error}
    # Outermost, so that refusals and our own faults carry the ids too.
    return RequestIds(Starlette(routes=routes, exception_handlers=handlers))


class _Score:
    """The route `/score`."""

    def __init__(self, settings: Settings, worker: Worker, keys: KeyCheck) -> None:
        self._settings = settings
        self._worker = worker
        self._keys = keys
        self._pending = 0

    async def answer(self, request: Request) -> Response:
        if not self._keys.accepts(request.headers.get("authorization")):
            raise HTTPException(401, "the key is missing or wrong: send Authorization: Bearer KEY")
        own = self._settings.deployment
        if (named := request.headers.get(DEPLOYMENT_HEADER, own)) != own:
            raise HTTPException(404, f"no deployment {named!r} at this address, which is {own}'s")
        limit_ms = self._settings.request_timeout_ms
        try:
            async with asyncio.timeout(limit_ms / 1000):
                return await self._score(await _text(request), request.state.request_id)
        except TimeoutError:
            raise HTTPException(408, f"no answer within request_timeout_ms, {limit_ms}") from None

    async def _score(self, raw_data: str, request_id: str) -> Response:
        limit = self._settings.pending_limit
        if self._pending >= limit:
            raise HTTPException(429, f"too many requests: {limit} at a time are allowed")
        self._pending += 1
        try:
            result = await self._worker.score(raw_data, request_id)
        except ScoringError:
            return JSONResponse({"message": SCRIPT_FAILED}, 424, CONTAINER_FAILED)
        finally:
            self._pending -= 1
        return Response(result, media_type="application/json")


async def _text(request: Request) -> str:
    """Return the body; the server discards what is still sent after a refusal."""
    too_large = HTTPException(413, f"the body must be at most {PAYLOAD_LIMIT} bytes")
    # The HTTP parser let through nothing but digits.
    if int(request.headers.get("content-length", 0)) > PAYLOAD_LIMIT:
        raise too_large
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > PAYLOAD_LIMIT:
            raise too_large
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        raise HTTPException(400, f"the body must be UTF-8: {error.reason}") from None


async def _health(_request: Request) -> Response:
    return PlainTextResponse("Healthy")


async def _refusal(_request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    return JSONResponse({"message": error.detail}, error.status_code, error.headers)


async def _internal_error(_request: Request, _error: Exception) -> Response:
    return JSONResponse({"message": "Internal server error"}, 500)
