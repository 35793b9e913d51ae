"""The contract of a request: what Azure ML's front door says, and when.

| status | when |
|---|---|
| 200 | the result of `run` as JSON; `/` and `/health`: `Healthy`; `/swagger.json` |
| 400 | what was sent is not HTTP |
| 401 | the key or token is missing or wrong |
| 404 | no such path; no deployment has traffic; `azureml-model-deployment` names none that exists |
| 405 | `/score` takes GET and POST, the others GET |
| 408 | no answer within request_timeout_ms, the sending of the body included |
| 413 | the body is larger than 10 MB |
| 424 | the container's answer was not 200: two headers say what it was |
| 429 | 2 * max_concurrent_requests_per_instance * instance_count requests are unanswered |
| 431 | first line and headers are larger than 64 kB |
| 502 | two workers, one after the other, ended under the request |
| 503 | the deployment has failed; `/` and `/health`: one that has traffic has |

The container answers 500 when `run` raises, 400 when the body is not UTF-8, 431 when
`x-ms-client-request-id` is longer than 100 characters, and of a `run` with `@input_schema` 415 and
400 when the body is not its JSON. What `run` raised is in the log and not in
the answer, whatever its type: on Azure ML no caller sees it, and a client must not learn to rely
on it here. A plain ASGI application, since a framework would cost as much time as scoring does.
https://learn.microsoft.com/azure/machine-learning/how-to-troubleshoot-online-endpoints
"""

import asyncio
import time
from collections.abc import Mapping
from typing import Any, Protocol
from urllib.parse import parse_qsl

import orjson

from mnist_exp.serving.connection import WorkerLostError
from mnist_exp.serving.exchange import JSON, Exchange, Header, Receive, RefusalError, Send
from mnist_exp.serving.frames import Reply, Request
from mnist_exp.serving.swagger import swagger
from mnist_exp.serving.worker_pool import Group, GroupFailedError, OverloadError

#: Azure ML's inference server refuses longer ones of `x-ms-client-request-id`.
LONGEST_CLIENT_ID = 100
_DEPLOYMENT = b"azureml-model-deployment"
CLIENT_ID = b"x-ms-client-request-id"
_TEXT = (b"content-type", b"text/plain; charset=utf-8")


class Endpoint(Protocol):
    """What the application asks of the front."""

    name: str

    def opens(self, authorization: bytes) -> bool:
        """Whether an `Authorization` header opens the endpoint."""

    def chosen(self) -> str | None:
        """Return the deployment that the traffic gives the next request to."""

    def mirror(self) -> str | None:
        """Return the deployment that gets a copy of it."""

    def group(self, deployment: str) -> Group | None:
        """Return the workers of a deployment, None if there is no such deployment."""

    def failed(self) -> list[str]:
        """Return the deployments that have traffic and have failed."""

    def count(self, deployment: str, is_success: bool, seconds: float) -> None:
        """Keep how a request went."""


class Application:
    """The ASGI application of an endpoint."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._mirrored: set[asyncio.Task[None]] = set()

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer one request."""
        exchange = Exchange(scope, receive, send)
        try:
            await self._answer(exchange)
        except RefusalError as error:
            await exchange.refuse(error)
        except ConnectionError:
            # The caller has gone: nobody is there to be answered.
            return

    async def _answer(self, exchange: Exchange) -> None:
        path, method = exchange.scope["path"], exchange.scope["method"]
        if path == "/score":
            if method not in ("POST", "GET"):
                raise _not_allowed("GET, POST")
            await self._score(exchange)
        elif path in ("/", "/health", "/swagger.json"):
            if method not in ("GET", "HEAD"):
                raise _not_allowed("GET")
            await (self._swagger if path == "/swagger.json" else self._health)(exchange)
        else:
            raise RefusalError(404, "no such path: requests go to /score")

    async def _health(self, exchange: Exchange) -> None:
        failed = self._endpoint.failed()
        text = f"Unhealthy: {', '.join(failed)} failed" if failed else "Healthy"
        await exchange.answer(503 if failed else 200, text.encode(), _TEXT)

    async def _swagger(self, exchange: Exchange) -> None:
        self._check_access(exchange.headers)
        query = dict(parse_qsl(exchange.scope["query_string"].decode("latin-1")))
        version = query.get("version", "2")
        if version not in ("2", "3"):
            raise RefusalError(404, "swagger.json has version 2 and version 3")
        await exchange.answer(200, orjson.dumps(swagger(self._endpoint.name, int(version))), JSON)

    async def _score(self, exchange: Exchange) -> None:
        headers = exchange.headers
        self._check_access(headers)
        client_id = headers.get(CLIENT_ID, b"")
        if len(client_id) > LONGEST_CLIENT_ID:
            message = f"{CLIENT_ID.decode()} must be at most {LONGEST_CLIENT_ID} characters"
            raise RefusalError(424, message, _container_said(431))
        deployment, mirror = self._route(headers)
        # Before anything is counted: a header may hold any name.
        self._group(deployment)
        named = (_DEPLOYMENT, deployment.encode())
        began = time.perf_counter()
        try:
            reply = await self._scored(exchange, deployment, mirror)
        except RefusalError as error:
            # What never came whole says nothing about the deployment.
            if exchange.is_read:
                self._endpoint.count(deployment, False, time.perf_counter() - began)
            error.headers.append(named)
            raise
        self._endpoint.count(deployment, reply.status == 200, time.perf_counter() - began)
        extra = [(CLIENT_ID, client_id)] if client_id else []
        if reply.status != 200:
            extra += _container_said(reply.status)
        took = (b"x-ms-run-fn-exec-ms", b"%.3f" % (reply.microseconds / 1000))
        status = 200 if reply.status == 200 else 424
        await exchange.answer(status, reply.body, JSON, named, took, *extra)

    def _check_access(self, headers: Mapping[bytes, bytes]) -> None:
        if not self._endpoint.opens(headers.get(b"authorization", b"")):
            raise RefusalError(
                401, "the key or token is missing or wrong: send Authorization: Bearer KEY"
            )

    def _route(self, headers: Mapping[bytes, bytes]) -> tuple[str, str | None]:
        """Return who answers and who gets a copy; the header goes past split and mirror."""
        named = headers.get(_DEPLOYMENT)
        if named is not None:
            return named.decode("latin-1"), None
        chosen = self._endpoint.chosen()
        if chosen is None:
            raise RefusalError(404, "no deployment has traffic: set endpoint.traffic")
        return chosen, self._endpoint.mirror()

    def _group(self, deployment: str) -> Group:
        group = self._endpoint.group(deployment)
        if group is None:
            # Not the name as it was sent: a header may hold anything.
            raise RefusalError(404, "no such deployment at this endpoint")
        return group

    async def _scored(self, exchange: Exchange, deployment: str, mirror: str | None) -> Reply:
        group = self._group(deployment)
        limit_s = group.settings.request_timeout_ms / 1000
        deadline = time.monotonic() + limit_s
        try:
            body = await exchange.body(limit_s)
            # While it came, an update may have replaced those who were to answer.
            group = self._group(deployment)
            request = exchange.request(body, with_headers=group.wants_headers)
            if mirror is not None:
                self._copy(exchange, body, mirror)
            return await group.score(request, deadline - time.monotonic())
        except TimeoutError:
            ms = group.settings.request_timeout_ms
            # Whoever is so slow would go on sending.
            more = [] if exchange.is_read else [(b"connection", b"close")]
            raise RefusalError(408, f"no answer within request_timeout_ms, {ms}", more) from None
        except OverloadError:
            limit = group.settings.pending_limit
            raise RefusalError(429, f"too many requests: {limit} at a time are allowed") from None
        except GroupFailedError:
            raise RefusalError(503, "the deployment has failed; see its log") from None
        except WorkerLostError:
            raise RefusalError(502, "the workers ended under this request; see the log") from None

    def _copy(self, exchange: Exchange, body: bytes, deployment: str) -> None:
        """Send a copy to another deployment; nobody waits for what comes of it."""
        group = self._endpoint.group(deployment)
        if group is None:
            return
        task = asyncio.ensure_future(
            self._discard(exchange.request(body, with_headers=group.wants_headers), group)
        )
        # The loop itself holds tasks only weakly.
        self._mirrored.add(task)
        task.add_done_callback(self._mirrored.discard)

    async def _discard(self, request: Request, group: Group) -> None:
        began = time.perf_counter()
        try:
            reply = await group.score(request, group.settings.request_timeout_ms / 1000)
            is_success = reply.status == 200
        except (TimeoutError, OverloadError, GroupFailedError, WorkerLostError):
            is_success = False
        name = group.settings.deployment
        self._endpoint.count(name, is_success, time.perf_counter() - began)


def _container_said(status: int) -> list[Header]:
    """Return the headers with which 424 says what the container answered."""
    headers = [
        (b"ms-azureml-model-error-statuscode", str(status).encode()),
        (b"ms-azureml-model-error-reason", b"model_error"),
    ]
    return [*headers, (b"x-ms-run-function-failed", b"True")] if status == 500 else headers


def _not_allowed(methods: str) -> RefusalError:
    return RefusalError(405, "Method not allowed", [(b"allow", methods.encode())])
