"""What a server needs to know, written by the command that starts it."""

import json
import math
from dataclasses import dataclass
from pathlib import Path

__all__ = ["CODE_FOLDER", "SETTINGS_FILE", "Settings", "load_settings"]

#: In the folder that is the server's one argument.
SETTINGS_FILE = "server.json"
CODE_FOLDER = "code"


@dataclass(frozen=True)
class Settings:
    """A server's settings; no secret among them.

    Attributes:
        entry_script: The scoring script, relative to the code folder.
        keys_file: Holds the endpoint's keys.
        record_file: Names the process that serves the deployment; one that it does not name ends.
        request_timeout_ms: Until an unanswered request gets status 408.
    """

    endpoint: str
    deployment: str
    entry_script: str
    keys_file: str
    record_file: str
    request_timeout_ms: int
    max_concurrent_requests_per_instance: int
    instance_count: int

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


def load_settings(folder: Path) -> Settings:
    """Read the settings in a server's folder."""
    return Settings(**json.loads((folder / SETTINGS_FILE).read_text(encoding="utf-8")))
