"""Waiting for a condition that another process or thread makes true."""

import time
from collections.abc import Callable


def eventually(condition: Callable[[], object], seconds: float = 60, every_s: float = 0.02) -> None:
    """Wait until a condition holds. Check the condition every `every_s` seconds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition never became true"
        time.sleep(every_s)
