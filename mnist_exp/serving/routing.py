"""Which deployment answers a request, and which gets a copy of it.

https://learn.microsoft.com/azure/machine-learning/concept-endpoints-online
"""

import random
from collections.abc import Mapping
from itertools import accumulate


class Routing:
    """An endpoint's traffic.

    Args:
        traffic: Deployment -> percent of the requests.
        mirror: Deployment -> percent of the requests that it gets a copy of.
    """

    def __init__(self, traffic: Mapping[str, int], mirror: Mapping[str, int]) -> None:
        served = {name: percent for name, percent in traffic.items() if percent > 0}
        self._names = list(served)
        self._limits = list(accumulate(served.values()))
        self._mirror = next(iter(mirror.items()), ("", 0))
        self._generator = random.SystemRandom()

    def deployment(self) -> str | None:
        """Return the deployment that gets the next request; None if none has traffic."""
        if len(self._names) == 1:
            return self._names[0]
        if not self._names:
            return None
        drawn = self._generator.random() * self._limits[-1]
        return next(
            name for name, limit in zip(self._names, self._limits, strict=True) if drawn < limit
        )

    def mirror(self) -> str | None:
        """Return the deployment that gets a copy of the next request, if one does."""
        name, percent = self._mirror
        if percent and self._generator.random() * 100 < percent:
            return name
        return None
