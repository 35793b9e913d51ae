"""Real server processes behind stub scoring scripts."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mnist_exp.config import EnvConfig, EnvType, RequestSettingsConfig
from mnist_exp.results import Deployment
from mnist_exp.specs import DeploymentSpec
from mnist_exp.workspaces.local.endpoints import Endpoints, ModelFiles
from mnist_exp.workspaces.local.endpoints.process_identity import ProcessId, servers_below
from mnist_exp.workspaces.local.endpoints.state_files import (
    DeploymentFolder,
    DeploymentRecord,
    EndpointFolder,
)

ENDPOINT = "digits-endpoint"
ECHO = """
import json

def init():
    print("init is here")

def run(raw_data):
    return json.loads(raw_data)
"""
#: Says that it has begun, by a file, and goes on when another file appears.
WAITS = """
import os, pathlib, time

FOLDER = pathlib.Path(os.environ["GATE"])

def wait():
    (FOLDER / f"begun-{os.getpid()}").touch()
    while not (FOLDER / "open").exists():
        time.sleep(0.01)
"""
WAITS_IN_INIT = WAITS + "\ninit = wait\n\ndef run(raw_data):\n    return 1\n"
WAITS_IN_RUN = (
    WAITS + "\ndef init():\n    pass\n\ndef run(raw_data):\n    wait()\n    return 'late'\n"
)


@dataclass
class Bench:
    """A root folder and what stands on it."""

    folder: Path
    endpoints: Endpoints

    waits_in_init = WAITS_IN_INIT
    waits_in_run = WAITS_IN_RUN

    @property
    def root(self) -> Path:
        return self.folder / "out puts" / "endpoints"

    @property
    def gate(self) -> Path:
        return self.folder / "gate"

    def code(self, source: str) -> Path:
        folder = self.folder / "code"
        folder.mkdir(exist_ok=True)
        (folder / "score.py").write_text(source)
        return folder

    @property
    def model(self) -> Path:
        folder = self.folder / "job" / "outputs" / "model"
        (folder / "variables").mkdir(parents=True, exist_ok=True)
        (folder / "variables" / "weights").write_text("weights")
        return folder

    def spec(self, source: str = ECHO, name: str = "blue", **fields: object) -> DeploymentSpec:
        known: dict[str, object] = {
            "name": name,
            "endpoint": ENDPOINT,
            "model": "digits:3",
            "code": self.code(source),
            "scoring_script": "score.py",
            "environment": EnvConfig(EnvType.local),
            "instance_type": "Standard_DS3_v2",
            "environment_variables": {"GATE": str(self.gate)},
            "request_settings": RequestSettingsConfig(20_000, 4),
        }
        return DeploymentSpec(**known | fields)  # type: ignore[arg-type]

    def deploy(self, source: str = ECHO, name: str = "blue", **fields: object) -> Deployment:
        spec = self.spec(source, name, **fields)
        return self.endpoints.deploy(spec, ModelFiles(self.model, "digits", "3"))

    @property
    def front(self) -> ProcessId:
        process = EndpointFolder(self.root / ENDPOINT).front()
        assert process is not None
        return process

    def workers(self, name: str = "blue") -> list[int]:
        return list(self.endpoints.statistics(ENDPOINT)[name].processes)

    def deployment(self, name: str = "blue") -> DeploymentFolder:
        return EndpointFolder(self.root / ENDPOINT).deployment(name)

    def record(self, name: str = "blue") -> DeploymentRecord:
        record = self.deployment(name).load()
        assert record is not None
        return record

    def servers(self) -> list[ProcessId]:
        return servers_below(self.folder)

    def begun(self) -> bool:
        """Whether a waiting script has been called."""
        return any(self.gate.glob("begun-*"))

    @staticmethod
    def eventually(condition: Callable[[], object], seconds: float = 30) -> None:
        """Wait until a condition holds."""
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, "it never came true"
            # Between two looks; a condition that holds is not waited for.
            threading.Event().wait(0.02)
