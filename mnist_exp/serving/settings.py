"""What a revision of a deployment is run with, written by the command that makes it."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

#: In the revision's folder, which is a worker's first argument.
SETTINGS_FILE = "server.json"
CODE_FOLDER = "code"
LOG_FILE = "console.log"


@dataclass(frozen=True)
class Probe:
    """When a container counts as ready, or as dead; in seconds and in numbers of looks.

    https://learn.microsoft.com/azure/machine-learning/reference-yaml-deployment-managed-online
    """

    initial_delay: float = 10
    period: float = 10
    timeout: float = 2
    success_threshold: int = 1
    failure_threshold: int = 30

    @property
    def patience_s(self) -> float:
        """Seconds after which a container that was never ready is given up."""
        return self.initial_delay + self.period * self.failure_threshold


@dataclass(frozen=True)
class Settings:
    """A revision's settings.

    Attributes:
        entry_script: Relative to the code folder; None serves an MLflow model without a script.
        variables: All environment variables of a worker: nothing is inherited. Three of them are
            settings of Azure ML's server, with its defaults.
            https://learn.microsoft.com/azure/machine-learning/how-to-inference-server-http
        request_timeout_ms: Until an unanswered request gets status 408.
    """

    endpoint: str
    deployment: str
    entry_script: str | None
    request_timeout_ms: int
    max_concurrent_requests_per_instance: int
    instance_count: int
    variables: Mapping[str, str] = field(default_factory=dict, repr=False)
    liveness_probe: Probe = Probe()
    readiness_probe: Probe = Probe()

    @property
    def slots(self) -> list[int]:
        """How many requests each process of an instance takes at a time.

        WORKER_COUNT processes share what the instance takes; one without a share is not needed.
        """
        limit = self.max_concurrent_requests_per_instance
        processes = min(int(self.variables.get("WORKER_COUNT", "1")), limit)
        share, rest = divmod(limit, processes)
        return [share + (index < rest) for index in range(processes)]

    @property
    def scoring_timeout_ms(self) -> int:
        """Milliseconds after which a `run` is given up."""
        return int(self.variables.get("SCORING_TIMEOUT_MS", "3600000"))

    @property
    def worker_timeout_s(self) -> float:
        """Seconds after which a process in which `run` hangs is replaced."""
        return float(self.variables.get("WORKER_TIMEOUT", "300"))

    @property
    def pending_limit(self) -> int:
        """How many requests may be unanswered at a time: Azure ML's formula.

        https://learn.microsoft.com/azure/machine-learning/how-to-troubleshoot-online-endpoints
        """
        return 2 * self.max_concurrent_requests_per_instance * self.instance_count

    @property
    def drain_s(self) -> int:
        """Seconds after which every request that was under way has had its answer."""
        return math.ceil(self.request_timeout_ms / 1000) + 1


def load_settings(revision: Path) -> Settings:
    """Read the settings in a revision's folder."""
    raw: dict[str, Any] = json.loads((revision / SETTINGS_FILE).read_text(encoding="utf-8"))
    probes = {name: Probe(**raw[name]) for name in ("liveness_probe", "readiness_probe")}
    return Settings(**raw | probes)
