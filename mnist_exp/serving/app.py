"""The application that answers requests with the status codes of Azure ML's endpoints.

| status | condition |
|---|---|
| 200 | the request succeeded; `/score` answers the result of `run` |
| 400 | the request is not valid HTTP |
| 401 | the key or token is missing or wrong |
| 404 | the path or the named deployment does not exist, or no deployment has traffic |
| 405 | the method is neither GET nor POST (`/score`), or neither GET nor HEAD (other paths) |
| 408 | no answer within request_timeout_ms, including the time for sending the body |
| 413 | the body is larger than 10 MB |
| 424 | the status of the container (see below) was not 200; a header contains this status |
| 429 | 2 * max_concurrent_requests_per_instance * instance_count requests are unanswered |
| 431 | the first line and the headers are larger than 64 kB, or there are more than 100 headers |
| 502 | two workers received the request, one after the other, and each ended before it answered |
| 503 | the deployment has failed (`/score`); a deployment with traffic has failed (`/health`) |

A request can name its deployment with the header `azureml-model-deployment`. The path `/` is the
same as `/health`.

On Azure ML the container runs the inference server. On this machine a worker takes the place of the
container, and `worker_process` lists the statuses of a worker. Some requests never reach the script
on Azure ML, because the container refuses them. The front refuses these requests in place of the
container, and `container` lists them. If `run` raises an exception, only the log contains the
exception. A client does not see the exception on Azure ML either.

https://learn.microsoft.com/azure/machine-learning/how-to-troubleshoot-online-endpoints
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Protocol
from urllib.parse import parse_qsl

import orjson

from mnist_exp.serving import container
from mnist_exp.serving.connection import WorkerLostError
from mnist_exp.serving.exchange import Exchange
from mnist_exp.serving.frames import Reply, Request
from mnist_exp.serving.http_answer import JSON, RefusalError
from mnist_exp.serving.swagger import swagger
from mnist_exp.serving.worker_pool import OverloadError, PoolFailedError, WorkerPool

_DEPLOYMENT = b"azureml-model-deployment"
_TEXT = (b"content-type", b"text/plain; charset=utf-8")


class Endpoint(Protocol):
    """The part of an endpoint that the application uses. `front.Front` implements this protocol."""

    @property
    def name(self) -> str:
        """The endpoint's name."""

    def grants_access(self, authorization: bytes) -> bool:
        """Return whether an `Authorization` header gives access to the endpoint."""

    def chosen(self) -> str | None:
        """Return a random deployment, weighted by the traffic percentages.

        None means that no deployment has traffic.
        """

    def mirror(self) -> str | None:
        """Return the deployment that gets a copy of the next request; None if no copy is sent."""

    def worker_pool(self, deployment: str) -> WorkerPool | None:
        """Return the pool of a deployment's workers; None if the deployment does not exist."""

    def failed(self) -> list[str]:
        """Return the deployments that have traffic and have failed."""

    def count(self, deployment: str, is_success: bool, seconds: float) -> None:
        """Add a request to the deployment's statistics."""


class Application:
    """The answers of an endpoint."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._mirrored: set[asyncio.Task[None]] = set()

    async def __call__(self, exchange: Exchange) -> None:
        """Set the answer of a request.

        Raises:
            ConnectionError: The client has disconnected.
        """
        try:
            await self._answer(exchange)
        except RefusalError as error:
            exchange.refuse(error)

    async def _answer(self, exchange: Exchange) -> None:
        path, method = exchange.head.path, exchange.head.method
        if path == "/score":
            if method not in ("POST", "GET"):
                raise _not_allowed("GET, POST")
            await self._score(exchange)
        elif path in ("/", "/health", "/swagger.json"):
            if method not in ("GET", "HEAD"):
                raise _not_allowed("GET")
            (self._swagger if path == "/swagger.json" else self._health)(exchange)
        else:
            raise RefusalError(404, "no such path: send requests to /score")

    def _health(self, exchange: Exchange) -> None:
        failed = self._endpoint.failed()
        text = f"Unhealthy: {', '.join(failed)} failed" if failed else "Healthy"
        exchange.answer(503 if failed else 200, text.encode(), _TEXT)

    def _swagger(self, exchange: Exchange) -> None:
        self._check_access(exchange)
        query = dict(parse_qsl(exchange.head.query.decode("latin-1")))
        version = query.get("version", "2")
        if version not in ("2", "3"):
            raise RefusalError(404, "no such version of swagger.json: use version=2 or version=3")
        exchange.answer(200, orjson.dumps(swagger(self._endpoint.name, int(version))), JSON)

    async def _score(self, exchange: Exchange) -> None:
        self._check_access(exchange)
        deployment, mirror = self._route(exchange.head.headers)
        # Check the name first. Otherwise a client could add statistics for any name in the header.
        self._worker_pool(deployment)
        named = (_DEPLOYMENT, deployment.encode())
        began = time.perf_counter()
        try:
            refused = container.refusal(exchange.head)
            reply = refused or await self._scored(exchange, deployment, mirror)
        except RefusalError as error:
            # Count the failure only if the whole body arrived. Otherwise the client caused the
            # failure, not the deployment.
            if exchange.is_read:
                self._endpoint.count(deployment, False, time.perf_counter() - began)
            error.headers.append(named)
            raise
        # A refused request says nothing about the deployment either.
        if refused is None:
            self._endpoint.count(deployment, reply.status == 200, time.perf_counter() - began)
        headers = container.answer_headers(exchange.head, reply, is_refused=refused is not None)
        exchange.answer(200 if reply.status == 200 else 424, reply.body, *headers, named)

    def _check_access(self, exchange: Exchange) -> None:
        authorization = exchange.head.headers.get(b"authorization", b"")
        if not self._endpoint.grants_access(authorization):
            raise RefusalError(
                401, "the key or token is missing or wrong: send Authorization: Bearer KEY"
            )
        exchange.grant_access()

    def _route(self, headers: Mapping[bytes, bytes]) -> tuple[str, str | None]:
        """Return the deployment that answers, and the deployment that gets a copy (or None).

        If a header of the request names a deployment, this deployment answers and no copy is sent.
        """
        named = headers.get(_DEPLOYMENT)
        if named is not None:
            return named.decode("latin-1"), None
        chosen = self._endpoint.chosen()
        if chosen is None:
            raise RefusalError(404, "no deployment has traffic: set endpoint.traffic")
        return chosen, self._endpoint.mirror()

    def _worker_pool(self, deployment: str) -> WorkerPool:
        pool = self._endpoint.worker_pool(deployment)
        if pool is None:
            # Do not repeat the name in the message, because a client can send any text as the name.
            raise RefusalError(404, "no such deployment at this endpoint")
        return pool

    async def _scored(self, exchange: Exchange, deployment: str, mirror: str | None) -> Reply:
        pool = self._worker_pool(deployment)
        limit_s = pool.settings.request_timeout_ms / 1000
        deadline = time.monotonic() + limit_s
        try:
            body = await exchange.body(limit_s)
            # An update may have replaced the workers while the body was being received.
            pool = self._worker_pool(deployment)
            request = exchange.request(body, with_head=pool.wants_heads)
            if mirror is not None:
                self._copy(exchange, body, mirror)
            return await pool.score(request, deadline - time.monotonic(), exchange.hold_body)
        except TimeoutError:
            ms = pool.settings.request_timeout_ms
            raise RefusalError(408, f"no answer within request_timeout_ms, {ms} ms") from None
        except OverloadError:
            limit = pool.settings.pending_limit
            raise RefusalError(
                429,
                f"too many requests: at most {limit} requests at a time; "
                "send the request again later",
            ) from None
        except PoolFailedError:
            raise RefusalError(503, "the deployment has failed; see its log") from None
        except WorkerLostError:
            raise RefusalError(
                502,
                "the workers ended while they answered this request; see the log of the deployment",
            ) from None

    def _copy(self, exchange: Exchange, body: bytes | bytearray, deployment: str) -> None:
        """Send a copy of the request to another deployment, without waiting for the answer."""
        pool = self._endpoint.worker_pool(deployment)
        if pool is None:
            return
        request = exchange.request(body, with_head=pool.wants_heads)
        task = asyncio.ensure_future(self._discard(request, pool, exchange.hold_body))
        # Keep a reference to the task. The event loop has only a weak reference, so Python could
        # delete the task before the task is done.
        self._mirrored.add(task)
        release = exchange.hold_body()
        task.add_done_callback(lambda _: release())
        task.add_done_callback(self._mirrored.discard)

    async def _discard(
        self, request: Request, pool: WorkerPool, hold: Callable[[], Callable[[], None]]
    ) -> None:
        began = time.perf_counter()
        try:
            reply = await pool.score(request, pool.settings.request_timeout_ms / 1000, hold)
            is_success = reply.status == 200
        except (TimeoutError, OverloadError, PoolFailedError, WorkerLostError):
            is_success = False
        name = pool.settings.name
        self._endpoint.count(name, is_success, time.perf_counter() - began)


def _not_allowed(methods: str) -> RefusalError:
    return RefusalError(405, "Method not allowed", [(b"allow", methods.encode())])
