"""Choose the deployment for each request, and count the requests of each deployment.

https://learn.microsoft.com/azure/machine-learning/concept-endpoints-online
"""

import math
import random
from collections.abc import Mapping
from itertools import accumulate
from typing import Any

#: Upper bound of the first bucket in the histogram of answer times, in seconds. The upper bound of
#: each following bucket is the previous upper bound times _RATIO.
_FIRST_BOUND_S = 1e-4
_RATIO = 1.1
_LOG_RATIO = math.log(_RATIO)
#: Number of buckets. The largest bound is above 180 s, the longest request_timeout_ms that Azure ML
#: allows.
_BUCKETS = 160


class Routing:
    """The choice of a deployment for each request.

    Args:
        traffic: Deployment -> percent of the requests.
        mirror: Deployment -> percent of the requests that are also copied to this deployment.
    """

    def __init__(self, traffic: Mapping[str, int], mirror: Mapping[str, int]) -> None:
        served = {name: percent for name, percent in traffic.items() if percent > 0}
        self._names = list(served)
        self._limits = list(accumulate(served.values()))
        self._mirror = next(iter(mirror.items()), ("", 0))
        self._generator = random.SystemRandom()

    def deployment(self) -> str | None:
        """Return the deployment for the next request, or None if no deployment has traffic."""
        if len(self._names) == 1:
            return self._names[0]
        if not self._names:
            return None
        drawn = self._generator.random() * self._limits[-1]
        return next(
            name for name, limit in zip(self._names, self._limits, strict=True) if drawn < limit
        )

    def mirror(self) -> str | None:
        """Return the deployment that gets a copy of the next request; None if no copy is sent."""
        name, percent = self._mirror
        if percent and self._generator.random() * 100 < percent:
            return name
        return None


class Statistics:
    """A deployment's number of requests, number of failures, and histogram of answer times."""

    def __init__(self) -> None:
        self._requests = 0
        self._failures = 0
        self._buckets = [0] * _BUCKETS

    def add(self, is_success: bool, seconds: float) -> None:
        """Count a request. Add its time to the histogram if the request was successful."""
        self._requests += 1
        if not is_success:
            self._failures += 1
            return
        place = math.log(max(seconds, _FIRST_BOUND_S) / _FIRST_BOUND_S) / _LOG_RATIO
        self._buckets[min(_BUCKETS - 1, math.ceil(place))] += 1

    def report(self) -> dict[str, Any]:
        """Return the numbers of requests and failures, and the histogram.

        The histogram maps the upper bound of each bucket, in milliseconds, to the number of answers
        in the bucket.
        """
        times = {
            f"{_FIRST_BOUND_S * _RATIO**index * 1000:.4g}": count
            for index, count in enumerate(self._buckets)
            if count
        }
        return {"requests": self._requests, "failures": self._failures, "times_ms": times}
