"""The answers to the requests of the page."""

import json
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from mnist_exp.drawing.guard import MAX_BODY
from mnist_exp.errors import EndpointError, MnistExpError

_HERE = Path(__file__).parent
#: Path of an address -> file of the page.
_FILES = {
    "/": "page.html",
    "/page.css": "page.css",
    "/digit.js": "digit.js",
    "/page.js": "page.js",
}
#: Statuses with which a scoring script may refuse the key `probabilities`.
_REFUSED = (400, 424)


@dataclass(frozen=True)
class Page:
    """The content of the page.

    Attributes:
        endpoint: The name of the endpoint.
        deployments: Name of a deployment -> its share of the traffic in percent.
        score: Function that sends the body of a request to a deployment, and returns the answer.
        samples: Digits with 784 pixels from 0 to 255 and their label.
        example: The body of a request, for a model that does not read digits; None for digits.
    """

    endpoint: str
    deployments: Mapping[str, int]
    score: Callable[[str, bytes], object]
    samples: Sequence[tuple[Sequence[int], int]] = ()
    example: object = None
    #: Deployments whose scoring script refused the key `probabilities`.
    without_probabilities: set[str] = field(default_factory=set)

    def answer(self, deployment: str, body: Any) -> dict[str, Any]:
        """Send a request to a deployment. Return its status, and the answer or the reason."""
        began = time.perf_counter()
        try:
            result = {"status": 200, "answer": self._answer(deployment, body)}
        except EndpointError as error:
            result = {"status": error.status or 0, "message": str(error)}
        except MnistExpError as error:
            result = {"status": 0, "message": str(error)}
        return {**result, "milliseconds": round((time.perf_counter() - began) * 1000, 1)}

    def _answer(self, deployment: str, body: Any) -> object:
        is_digits = isinstance(body, dict) and body.keys() == {"data"}
        if is_digits and deployment not in self.without_probabilities:
            try:
                return self.score(deployment, _packed({**body, "probabilities": True}))
            except EndpointError as error:
                if error.status not in _REFUSED:
                    raise
        found = self.score(deployment, _packed(body))
        if is_digits:
            # The script accepts the digits, but not the key.
            self.without_probabilities.add(deployment)
        return found


def application(page: Page) -> Starlette:
    """Return the application that answers the requests of the page."""
    in_flight = threading.Lock()

    async def file(request: Request) -> Response:
        return FileResponse(_HERE / _FILES[request.url.path])

    async def info(_: Request) -> Response:
        return JSONResponse(
            {
                "endpoint": page.endpoint,
                "deployments": dict(page.deployments),
                "samples": [
                    {"pixels": list(pixels), "label": label} for pixels, label in page.samples
                ],
                "example": page.example,
            }
        )

    async def score(request: Request) -> Response:
        content = bytearray()
        async for chunk in request.stream():
            content += chunk
            if len(content) > MAX_BODY:
                return PlainTextResponse(f"the body must have at most {MAX_BODY} bytes\n", 413)
        try:
            wanted = json.loads(content)
            deployment, body = wanted["deployment"], wanted["body"]
        except (ValueError, LookupError, TypeError, RecursionError):
            return PlainTextResponse('the body must be {"deployment": NAME, "body": ...}\n', 400)
        if deployment not in list(page.deployments):
            return PlainTextResponse("there is no such deployment\n", 404)
        if not in_flight.acquire(blocking=False):
            return PlainTextResponse("another request is in progress\n", 429)
        try:
            return JSONResponse(await run_in_threadpool(page.answer, deployment, body))
        finally:
            in_flight.release()

    return Starlette(
        routes=[
            *(Route(path, file) for path in _FILES),
            Route("/info", info),
            Route("/score", score, methods=["POST"]),
        ]
    )


def _packed(body: object) -> bytes:
    return json.dumps(body, ensure_ascii=False).encode()
