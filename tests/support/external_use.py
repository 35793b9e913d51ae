"""Detect the processes, sockets and stores that a test uses, and the files that it leaves open."""

import gc
import sys
import threading
from gc import freeze as _exempt_present_objects
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
#: The generation of the objects that were created since the last collection.
_YOUNG = 1


class ExternalUse:
    """Processes, sockets and SQLite stores that this process has used."""

    def __init__(self) -> None:
        self.found: set[str] = set()
        self._earlier: set[threading.Thread] = set()

    def watch(self) -> None:
        """Record every use from now on. Python cannot remove the hook again."""
        sys.addaudithook(self._note)

    def forget(self) -> None:
        """Forget every use. From now on, ignore the threads that run now, except the main thread.

        An earlier test may have started such a thread, for example a library's thread.
        """
        self.found.clear()
        self._earlier = set(threading.enumerate()) - {threading.main_thread()}

    def _note(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event not in _EVENTS or (event == "subprocess.Popen" and arguments[0] == _EXEMPT):
            return
        if threading.current_thread() not in self._earlier:
            self.found.add(f"{_EVENTS[event]} ({event})")


def leaks_found_by_collecting(of_all_objects: bool = True) -> list[str]:
    """Collect garbage, and return the warnings that the collection raises.

    With warnings as errors, a socket or file that nobody closed raises a ResourceWarning when it is
    collected. No code can catch this warning, so Python calls `sys.unraisablehook`.

    Args:
        of_all_objects: Whether to visit all objects, and then exempt them from later collections.
            Otherwise, the collection visits only the objects since the last collection.
    """
    leaks: list[str] = []

    def keep(unraisable: "sys.UnraisableHookArgs") -> None:
        leaks.append(f"{unraisable.exc_value!r} in {unraisable.object!r}")

    before, sys.unraisablehook = sys.unraisablehook, keep
    try:
        gc.collect(2 if of_all_objects else _YOUNG)
    finally:
        sys.unraisablehook = before
    if of_all_objects:
        _exempt_present_objects()
    return leaks
