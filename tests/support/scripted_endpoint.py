"""An endpoint with real processes, whose deployments run short scoring scripts."""

from dataclasses import dataclass
from pathlib import Path

from mnist_exp.config import EnvConfig, EnvType, RequestSettingsConfig
from mnist_exp.results import Deployment
from mnist_exp.specs import DeploymentSpec, EndpointSpec
from mnist_exp.workspaces.local.endpoints import Endpoints, ModelFiles
from mnist_exp.workspaces.local.endpoints.server_processes import ProcessId, servers_below
from mnist_exp.workspaces.local.endpoints.state_files import (
    DeploymentFolder,
    EndpointFolder,
)

NAME = "digits-endpoint"
ECHO = """
import json

def init():
    print("init is here")

def run(raw_data):
    return json.loads(raw_data)
"""
SECOND = "def init():\n    pass\n\ndef run(raw_data):\n    return 'second'\n"
#: The part of a script that creates a file, and then waits for another file.
_WAITS = """
import os, pathlib, time

FOLDER = pathlib.Path(os.environ["GATE"])

def wait():
    (FOLDER / f"begun-{os.getpid()}").touch()
    while not (FOLDER / "open").exists():
        time.sleep(0.01)
"""
WAITS_IN_INIT = _WAITS + "\ninit = wait\n\ndef run(raw_data):\n    return 1\n"
WAITS_IN_RUN = (
    _WAITS + "\ndef init():\n    pass\n\ndef run(raw_data):\n    wait()\n    return 'late'\n"
)


@dataclass
class ScriptedEndpoint:
    """A folder with an endpoint, a model and the code of scoring scripts."""

    folder: Path

    @property
    def root(self) -> Path:
        """The root folder of the endpoints; its path contains special characters."""
        return self.folder / "a:b 5% #c? ä" / "endpoints"

    @property
    def endpoints(self) -> Endpoints:
        return Endpoints(self.root)

    @property
    def gate(self) -> Path:
        return self.folder / "gate"

    @property
    def model(self) -> Path:
        folder = self.folder / "job" / "outputs" / "model"
        (folder / "variables").mkdir(parents=True, exist_ok=True)
        (folder / "variables" / "weights").write_text("weights")
        return folder

    def code(self, source: str) -> Path:
        folder = self.folder / "code"
        folder.mkdir(exist_ok=True)
        (folder / "score.py").write_text(source)
        return folder

    def spec(self, source: str = ECHO, name: str = "blue", **fields: object) -> DeploymentSpec:
        known: dict[str, object] = {
            "name": name,
            "endpoint": NAME,
            "model": "digits:3",
            "code": str(self.code(source)),
            "scoring_script": "score.py",
            "environment": EnvConfig(EnvType.local),
            "instance_type": "Standard_DS3_v2",
            "environment_variables": {"GATE": str(self.gate)},
            "request_settings": RequestSettingsConfig(20_000, 4),
        }
        return DeploymentSpec(**known | fields)  # type: ignore[arg-type]

    def create(self) -> None:
        """Create the endpoint, which starts its front process."""
        self.gate.mkdir(exist_ok=True)
        self.endpoints.create_or_update(EndpointSpec(NAME))

    def deploy(self, source: str = ECHO, name: str = "blue", **fields: object) -> Deployment:
        spec = self.spec(source, name, **fields)
        return self.endpoints.deploy(spec, ModelFiles(self.model, "digits", "3"))

    @property
    def front(self) -> ProcessId:
        process = EndpointFolder(self.root / NAME).front()
        assert process is not None
        return process

    def workers(self, name: str = "blue") -> list[int]:
        return list(self.endpoints.statistics(NAME)[name].processes)

    def servers(self) -> list[ProcessId]:
        return servers_below(self.folder)

    def deployment(self, name: str = "blue") -> DeploymentFolder:
        return EndpointFolder(self.root / NAME).deployment(name)

    def is_waiting(self) -> bool:
        """Return whether a script that waits has been called."""
        return any(self.gate.glob("begun-*"))
