"""Detect the processes, sockets and stores that a test uses, and the files that it leaves open."""

import gc
import sys
import threading
import time
from typing import Any

#: Audit event -> what the test uses. https://docs.python.org/3/library/audit_events.html
_EVENTS = {
    "os.fork": "a process",
    "os.posix_spawn": "a process",
    "subprocess.Popen": "a process",
    "socket.bind": "a socket",
    "socket.connect": "a socket",
    "sqlite3.connect": "a store",
}
#: A program that every test may start. Each stage asks git for the commit, for its record.
_EXEMPT = "git"
#: If a collection takes more processor seconds, it has visited the objects of large libraries.
_SLOW_COLLECTION_S = 0.03


class ExternalUse:
    """Processes, sockets and SQLite stores that this process has used."""

    def __init__(self) -> None:
        self.found: set[str] = set()

    def watch(self) -> None:
        """Record every use from now on. Python cannot remove the hook again."""
        sys.addaudithook(self._note)

    def _note(self, event: str, arguments: tuple[Any, ...]) -> None:
        if threading.current_thread() is not threading.main_thread():
            # An earlier test may have started the thread, for example a library's thread.
            return
        if event in _EVENTS and not (event == "subprocess.Popen" and arguments[0] == _EXEMPT):
            self.found.add(f"{_EVENTS[event]} ({event})")


def leaks_found_by_collecting() -> list[str]:
    """Collect garbage, and return the warnings that the collection raises.

    With warnings as errors, a socket or file that nobody closed raises a ResourceWarning when it is
    collected. No code can catch this warning, so Python calls `sys.unraisablehook`.
    """
    leaks: list[str] = []

    def keep(unraisable: "sys.UnraisableHookArgs") -> None:
        leaks.append(f"{unraisable.exc_value!r} in {unraisable.object!r}")

    before, sys.unraisablehook = sys.unraisablehook, keep
    started = time.process_time()
    try:
        gc.collect()
    finally:
        sys.unraisablehook = before
    if time.process_time() - started > _SLOW_COLLECTION_S:
        # A library was imported, or a sweep has called `gc.unfreeze`. With TensorFlow, MLflow and
        # Azure's SDK among the objects to visit, each collection would take a second.
        gc.freeze()
    return leaks
