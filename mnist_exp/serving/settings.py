"""The settings of a revision (a version of a deployment), and its settings file.

The command that creates the revision writes the settings file. The front and the workers read the
file.
"""

import json
import math
import os
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

# Names of the settings file, the folder of the user's code, and the log in a revision's folder.
SETTINGS_FILE = "server.json"
CODE_FOLDER = "code"
LOG_FILE = "console.log"
#: The module that a worker runs.
WORKER_MODULE = "mnist_exp.serving.worker_process"
# Names of the variables that contain paths in a revision's folder.
APP_ROOT = "AML_APP_ROOT"
MODEL_DIR = "AZUREML_MODEL_DIR"
#: Environment variables with paths below the folder of the revision.
_MOVING = (APP_ROOT, MODEL_DIR, "PATH", "VIRTUAL_ENV")


@dataclass(frozen=True)
class Probe:
    """Settings of a probe, which checks a container repeatedly. Times are in seconds.

    https://learn.microsoft.com/azure/machine-learning/reference-yaml-deployment-managed-online
    """

    initial_delay: float = 10
    period: float = 10
    timeout: float = 2
    success_threshold: int = 1
    failure_threshold: int = 30

    @property
    def patience_s(self) -> float:
        """Number of seconds after which a container that is not ready has failed."""
        return self.initial_delay + self.period * self.failure_threshold


@dataclass(frozen=True)
class Settings:
    """A revision's settings.

    Attributes:
        deployment: All fields of the deployment. The field names are those of the config classes in
            `mnist_exp.config`. If a developer adds a field to these classes, the settings file
            contains the field, and this class need not change. The front and the workers read the
            fields through the properties below.
        variables: All environment variables of a worker. A worker inherits no other variables.
            WORKER_COUNT, SCORING_TIMEOUT_MS and WORKER_TIMEOUT have the same meanings and defaults
            as in Azure ML's inference server.
            https://learn.microsoft.com/azure/machine-learning/how-to-inference-server-http
        command: The start of the command line of a worker. Three arguments follow: the revision's
            folder, and the file descriptors of the worker's two sockets.
    """

    deployment: Mapping[str, Any] = field(repr=False)
    variables: Mapping[str, str] = field(repr=False)
    command: Sequence[str] = (sys.executable, "-P", "-m", WORKER_MODULE)

    @property
    def name(self) -> str:
        """The deployment's name."""
        return str(self.deployment["name"])

    @property
    def entry_script(self) -> str | None:
        """Path relative to the code folder; None for an MLflow model without a script."""
        script: str | None = self.deployment["scoring_script"]
        return script

    @property
    def request_timeout_ms(self) -> int:
        """Milliseconds after which an unanswered request gets status 408."""
        return int(self.deployment["request_settings"]["request_timeout_ms"])

    @property
    def max_concurrent_requests(self) -> int:
        """Maximum number of concurrent requests in each instance."""
        return int(self.deployment["request_settings"]["max_concurrent_requests_per_instance"])

    @property
    def instance_count(self) -> int:
        """The number of instances."""
        return int(self.deployment["instance_count"])

    @property
    def liveness_probe(self) -> Probe:
        """The probe of a worker that is ready."""
        return _probe(self.deployment["liveness_probe"])

    @property
    def readiness_probe(self) -> Probe:
        """The probe of a worker that starts."""
        return _probe(self.deployment["readiness_probe"])

    @property
    def worker_count(self) -> int:
        """The number of workers in all instances. A worker answers one request at a time.

        An instance has WORKER_COUNT workers, but at most max_concurrent_requests_per_instance,
        because an instance does not get more requests at a time.
        """
        workers = min(int(self.variables.get("WORKER_COUNT", "1")), self.max_concurrent_requests)
        return workers * self.instance_count

    @property
    def scoring_timeout_ms(self) -> int:
        """Maximum duration of a call of `run`, in milliseconds. A longer call is cancelled."""
        return int(self.variables.get("SCORING_TIMEOUT_MS", "3600000"))

    @property
    def worker_timeout_s(self) -> float:
        """Seconds after which a worker is replaced because a call of `run` hangs."""
        return float(self.variables.get("WORKER_TIMEOUT", "300"))

    @property
    def pending_limit(self) -> int:
        """Maximum number of unanswered requests, computed as on Azure ML.

        https://learn.microsoft.com/azure/machine-learning/how-to-troubleshoot-online-endpoints
        """
        return 2 * self.max_concurrent_requests * self.instance_count

    @property
    def drain_s(self) -> int:
        """Number of seconds after which all requests that are now in progress have an answer."""
        return math.ceil(self.request_timeout_ms / 1000) + 1


def load_settings(revision: Path) -> Settings:
    """Return the settings in a revision's folder, even if the folder was moved."""
    settings = Settings(**json.loads((revision / SETTINGS_FILE).read_text(encoding="utf-8")))
    if APP_ROOT not in settings.variables:
        return settings
    old = re.escape(f"{Path(settings.variables[APP_ROOT]).parent}/")

    def moved(text: str) -> str:
        # Replace the old folder only at the start of an entry. Another entry, e.g. of PATH, may
        # contain the old folder's path in its middle.
        return re.sub(f"(?<![^{os.pathsep}]){old}", lambda _: f"{revision}/", text)

    variables = {
        name: moved(text) if name in _MOVING else text for name, text in settings.variables.items()
    }
    return replace(settings, variables=variables, command=[*map(moved, settings.command)])


def _probe(raw: Mapping[str, Any]) -> Probe:
    """Return a probe. Fields that the front and the workers do not use are ignored."""
    return Probe(**{one.name: raw[one.name] for one in fields(Probe)})
