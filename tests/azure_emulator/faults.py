"""Faults between us and Azure, injected where a test asks for them."""

import threading
from dataclasses import dataclass
from enum import StrEnum


class Action(StrEnum):
    """The kinds of faults."""

    UNAUTHORIZED = "401"
    FORBIDDEN = "403"
    NOT_FOUND = "404"
    CONFLICT = "409"
    THROTTLED = "429"
    BROKEN = "500"
    RESET_BEFORE = "reset"
    RESET_AFTER = "reset after"
    STALL = "stall"
    OPERATION_FAILED = "operation failed"
    JOB_FAILED = "job failed"
    PREEMPTED = "preempted"


@dataclass
class Fault:
    """One fault.

    Attributes:
        kind: Kind of the requests that fail, e.g. `compute.put`.
        skip: How many of these requests succeed first.
        count: How many fail then; -1 for all.
    """

    kind: str
    action: Action
    skip: int = 0
    count: int = 1


class Faults:
    """Faults that have been injected.

    Attributes:
        hits: The faults that have happened.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: list[Fault] = []
        self.hits: list[Fault] = []

    def inject(self, fault: Fault) -> None:
        """Add a fault."""
        with self._lock:
            self._waiting.append(fault)

    def clear(self) -> None:
        """Remove all faults."""
        with self._lock:
            self._waiting.clear()
            self.hits.clear()

    def due(self, kind: str, *actions: Action) -> Action | None:
        """Return the fault of this request, if there is one; with `actions`, only one of those."""
        with self._lock:
            for fault in self._waiting:
                if fault.kind != kind or (actions and fault.action not in actions):
                    continue
                if not fault.count:
                    continue
                if fault.skip:
                    fault.skip -= 1
                    continue
                fault.count -= 1
                self.hits.append(fault)
                return fault.action
        return None
