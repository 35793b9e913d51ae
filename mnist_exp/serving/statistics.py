"""How a deployment has done: counts and times since its endpoint's front began."""

import math
from typing import Any

#: Seconds below which nothing is told apart, and the ratio of one bucket's bound to the next's.
SHORTEST_S = 1e-4
RATIO = 1.1
#: Up to 180 s, the longest that a request may take, and more.
_BUCKETS = 160

_LOG_RATIO = math.log(RATIO)


class Statistics:
    """Counts of requests and failures, and a histogram of the times of those that succeeded."""

    def __init__(self) -> None:
        self._requests = 0
        self._failures = 0
        self._buckets = [0] * _BUCKETS

    def add(self, is_success: bool, seconds: float) -> None:
        """Count a request."""
        self._requests += 1
        if not is_success:
            self._failures += 1
            return
        place = math.log(max(seconds, SHORTEST_S) / SHORTEST_S) / _LOG_RATIO
        self._buckets[min(_BUCKETS - 1, math.ceil(place))] += 1

    def report(self) -> dict[str, Any]:
        """Return requests, failures, and how many were answered within how many milliseconds."""
        times = {
            f"{SHORTEST_S * RATIO**index * 1000:.4g}": count
            for index, count in enumerate(self._buckets)
            if count
        }
        return {"requests": self._requests, "failures": self._failures, "times_ms": times}
