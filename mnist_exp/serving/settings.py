"""The settings of a revision, written by the command that creates the revision."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

#: Name of the settings file in the revision's folder.
SETTINGS_FILE = "server.json"
CODE_FOLDER = "code"
LOG_FILE = "console.log"


@dataclass(frozen=True)
class Probe:
    """The rules by which a container counts as ready or dead; times in seconds.

    https://learn.microsoft.com/azure/machine-learning/reference-yaml-deployment-managed-online
    """

    initial_delay: float = 10
    period: float = 10
    timeout: float = 2
    success_threshold: int = 1
    failure_threshold: int = 30

    @property
    def patience_s(self) -> float:
        """Seconds within which a container must become ready."""
        return self.initial_delay + self.period * self.failure_threshold


@dataclass(frozen=True)
class Settings:
    """A revision's settings.

    Attributes:
        entry_script: Path relative to the code folder; None for an MLflow model without a script.
        request_timeout_ms: Milliseconds after which an unanswered request gets status 408.
        variables: All environment variables of a worker, which inherits none. Three variables are
            settings of Azure ML's server and have its defaults.
            https://learn.microsoft.com/azure/machine-learning/how-to-inference-server-http
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
    def connections(self) -> list[int]:
        """Number of connections, and so of requests at a time, of each worker of an instance.

        WORKER_COUNT workers share max_concurrent_requests_per_instance. A worker without a share
        is not started.
        """
        limit = self.max_concurrent_requests_per_instance
        workers = min(int(self.variables.get("WORKER_COUNT", "1")), limit)
        share, rest = divmod(limit, workers)
        return [share + (index < rest) for index in range(workers)]

    @property
    def scoring_timeout_ms(self) -> int:
        """Milliseconds after which a `run` is cancelled."""
        return int(self.variables.get("SCORING_TIMEOUT_MS", "3600000"))

    @property
    def worker_timeout_s(self) -> float:
        """Seconds after which a worker whose `run` hangs is replaced."""
        return float(self.variables.get("WORKER_TIMEOUT", "300"))

    @property
    def pending_limit(self) -> int:
        """Maximum number of unanswered requests, by Azure ML's formula.

        https://learn.microsoft.com/azure/machine-learning/how-to-troubleshoot-online-endpoints
        """
        return 2 * self.max_concurrent_requests_per_instance * self.instance_count

    @property
    def drain_s(self) -> int:
        """Seconds after which every request in progress has its answer."""
        return math.ceil(self.request_timeout_ms / 1000) + 1


def load_settings(revision: Path) -> Settings:
    """Return the settings in a revision's folder."""
    raw: dict[str, Any] = json.loads((revision / SETTINGS_FILE).read_text(encoding="utf-8"))
    probes = {name: Probe(**raw[name]) for name in ("liveness_probe", "readiness_probe")}
    return Settings(**raw | probes)
