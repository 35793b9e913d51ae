"""Requests, replies, and the table of routes."""

import json
import re
import urllib.parse
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.azure_emulator.emulator import Emulator


#: The workspace's part of a path. Azure's resource manager ignores the case.
WS = (
    r"/subscriptions/(?P<sub>[^/]+)/resourceGroups/(?P<group>[^/]+)/providers/"
    r"Microsoft\.MachineLearningServices/workspaces/(?P<ws>[^/]+)"
)


@dataclass
class Call:
    """One request to an emulator.

    Attributes:
        names: The parts of the path that the route's pattern names.
    """

    emulator: "Emulator"
    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    names: Mapping[str, str] = field(default_factory=dict)

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body or b"{}")

    @property
    def form(self) -> dict[str, str]:
        """The body as a form."""
        return dict(urllib.parse.parse_qsl(self.body.decode()))


@dataclass
class Reply:
    """One reply; `content` is bytes, or a value that becomes JSON."""

    status: int = 200
    content: Any = None
    headers: dict[str, str] = field(default_factory=dict)

    def encoded(self) -> bytes:
        """Return the bytes of the body."""
        if self.content is None:
            return b""
        if isinstance(self.content, bytes):
            return self.content
        self.headers.setdefault("Content-Type", "application/json")
        return json.dumps(self.content).encode()


class RefusalError(Exception):
    """An error reply, in the format of Azure's resource manager."""

    def __init__(self, status: int, code: str, message: str, **headers: str) -> None:
        super().__init__(message)
        self.reply = Reply(
            status,
            {"error": {"code": code, "message": message, "details": [], "additionalInfo": []}},
            {name.replace("_", "-"): value for name, value in headers.items()},
        )


@dataclass(frozen=True)
class Route:
    """The requests that a function answers; faults name a request by its `kind`."""

    method: str
    pattern: re.Pattern[str]
    kind: str
    answer: Callable[[Call], Reply]


ROUTES: list[Route] = []


def route(
    method: str, pattern: str, kind: str
) -> Callable[[Callable[[Call], Reply]], Callable[[Call], Reply]]:
    """Register the function below for requests with this method and path."""

    def register(answer: Callable[[Call], Reply]) -> Callable[[Call], Reply]:
        ROUTES.append(Route(method, re.compile(pattern, re.IGNORECASE), kind, answer))
        return answer

    return register
