"""Replies that several routes give."""

from collections.abc import Sequence
from typing import Any

from tests.azure_emulator.wire import Call, RefusalError, Reply

#: The standard header counts whole seconds, and would make each operation take one.
SOON = {"x-ms-retry-after-ms": "50"}


def created(call: Call, content: Any, operation: str) -> Reply:
    """Answer a PUT whose operation continues in the background."""
    return Reply(201, content, {"Azure-AsyncOperation": _address(call, operation), **SOON})


def accepted(call: Call, operation: str) -> Reply:
    """Answer a DELETE whose operation continues in the background."""
    address = _address(call, operation)
    return Reply(202, None, {"Azure-AsyncOperation": address, "Location": address, **SOON})


def not_found(kind: str, name: str) -> Reply:
    """Raise the error for a missing resource."""
    raise RefusalError(404, "ResourceNotFound", f"The {kind} {name} was not found.")


def paged(call: Call, items: Sequence[Any], size: int | None = None) -> Reply:
    """Answer with a page of a list and the address of the next page."""
    size = size or call.emulator.page_size
    start = int(call.query.get("$skip", 0))
    content: dict[str, Any] = {"value": list(items[start : start + size])}
    if start + size < len(items):
        kept = "&".join(f"{k}={v}" for k, v in call.query.items() if k != "$skip")
        content["nextLink"] = f"{call.emulator.url}{call.path}?{kept}&$skip={start + size}"
    return Reply(content=content)


def _address(call: Call, operation: str) -> str:
    return f"{call.emulator.url}/operations/{operation}?api-version=1"
