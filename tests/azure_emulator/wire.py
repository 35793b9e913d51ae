"""Requests and answers, and the table of who answers what."""

import json
import re
import urllib.parse
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.azure_emulator.emulator import Emulator


#: The workspace's part of a path; Azure's resource manager does not look at the case.
WS = (
    r"/subscriptions/(?P<sub>[^/]+)/resourceGroups/(?P<group>[^/]+)/providers/"
    r"Microsoft\.MachineLearningServices/workspaces/(?P<ws>[^/]+)"
)


@dataclass
class Call:
    """One request, and the part of the emulator that answers it."""

    emulator: "Emulator"
    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    names: Mapping[str, str] = field(default_factory=dict)

    @property
    def json(self) -> Any:
        """The body, read as JSON."""
        return json.loads(self.body or b"{}")

    @property
    def form(self) -> dict[str, str]:
        """The body, read as a form."""
        return dict(urllib.parse.parse_qsl(self.body.decode()))


@dataclass
class Reply:
    """One answer; `content` is bytes, or a value that becomes JSON."""

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
    """An error answer, in the form of Azure's resource manager."""

    def __init__(self, status: int, code: str, message: str, **headers: str) -> None:
        super().__init__(message)
        self.reply = Reply(
            status,
            {"error": {"code": code, "message": message, "details": [], "additionalInfo": []}},
            {name.replace("_", "-"): value for name, value in headers.items()},
        )


@dataclass(frozen=True)
class Route:
    """Which requests a function answers; `kind` is the name that faults are injected by."""

    method: str
    pattern: re.Pattern[str]
    kind: str
    answer: Callable[[Call], Reply]


ROUTES: list[Route] = []


def route(
    method: str, pattern: str, kind: str
) -> Callable[[Callable[[Call], Reply]], Callable[[Call], Reply]]:
    """Register the function below for requests of this form."""

    def register(answer: Callable[[Call], Reply]) -> Callable[[Call], Reply]:
        ROUTES.append(Route(method, re.compile(pattern, re.IGNORECASE), kind, answer))
        return answer

    return register
