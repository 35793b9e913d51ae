"""An endpoint with real processes. The body of a request selects an action of its script."""

import shutil
import ssl
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import pytest

from mnist_exp.config import AuthMode, EnvConfig, EnvType, RequestSettingsConfig
from mnist_exp.serving.files import Credentials
from mnist_exp.specs import DeploymentSpec, EndpointSpec
from mnist_exp.workspaces.local.endpoints import Endpoints, ModelFiles

NAME = "digits-endpoint"
SCRIPT = """
import json, os, pathlib, re, signal, subprocess, threading, time

GATE = pathlib.Path(os.environ["GATE"])
INIT_THREAD = None

def init():
    global INIT_THREAD
    INIT_THREAD = threading.current_thread()

def run(raw_data):
    return ACTIONS.get(raw_data, lambda: {"type": type(raw_data).__name__, "size": len(raw_data)})()

def fail():
    raise ValueError("a secret of the script")

def leave():
    raise SystemExit(1)

def wait():
    (GATE / f"begun-{os.environ['COLOUR']}").touch()
    while not (GATE / "open").exists():
        time.sleep(0.01)
    return "waited"

def hog():
    (GATE / "hogs").write_text(str(subprocess.Popen(["sleep", "600"], start_new_session=True).pid))
    # The match takes years, and blocks all other threads.
    re.match("(a+)+$", "a" * 64 + "b")

def meet():
    (GATE / f"met-{os.getpid()}").touch()
    while len(list(GATE.glob("met-*"))) < 2:
        time.sleep(0.01)
    return "met"

def numbers():
    import numpy  # A late import lets workers start faster.
    return {"digit": numpy.int64(7), "row": numpy.arange(3, dtype=numpy.float32)}

def note():
    with (GATE / f"noted-{os.environ['COLOUR']}").open("a") as file:
        file.write("x")
    return os.environ["COLOUR"]

ACTIONS = {
    "list": lambda: [1, "zwei", None, {"drei": 3.5}],
    "text": lambda: '{"a": 1}',
    "none": lambda: None,
    "numpy": numbers,
    "out of range": lambda: [][0],
    '{"a": 1, "b": "x y", "c": [true, "t"], "d": ""}': lambda: "asked",
    "fail": fail,
    "leave": leave,
    "die": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "wait": wait,
    "sleep": lambda: time.sleep(600),
    "meet": meet,
    "hog": hog,
    "note": note,
    "pid": os.getpid,
    "environment": lambda: dict(os.environ),
    "thread": lambda: INIT_THREAD is threading.current_thread() is threading.main_thread(),
}
"""


@dataclass
class Service:
    """An endpoint and a client that has its key."""

    folder: Path
    endpoints: Endpoints
    uri: str
    _restores: int = 0

    @property
    def keys(self) -> Credentials:
        return self.endpoints.keys(NAME)

    @property
    def gate(self) -> Path:
        return self.folder / "gate"

    @property
    def log(self) -> Path:
        (deployment,) = self.endpoints.get(NAME).deployments
        assert deployment.log
        return Path(deployment.log)

    @property
    def client(self) -> httpx.Client:
        headers = {"authorization": f"Bearer {self.keys.primary}"}
        # The endpoint has no TLS. Loading the certificate authorities would take 30 ms.
        no_authorities = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        return httpx.Client(
            base_url=self.uri,
            headers=headers,
            verify=no_authorities,
            trust_env=False,
            timeout=60,
        )

    @property
    def port(self) -> int:
        return httpx.URL(self.uri).port or 0

    def score(self, body: bytes | str, **headers: str) -> httpx.Response:
        with self.client as client:
            raw = [(name.encode(), value.encode()) for name, value in headers.items()]
            return client.post("/score", content=body, headers=raw)

    def curl(self, *arguments: str, path: str = "/score") -> str:
        """Return the output of curl, followed by the status."""
        if shutil.which("curl") is None:
            pytest.skip("needs curl")
        key = f"authorization: Bearer {self.keys.primary}"
        command = ["curl", "-sS", "--noproxy", "*", "-w", " %{http_code}", self.uri + path]
        # If a header is given twice, curl sends both values.
        given = " ".join(arguments)
        more = [] if "authorization:" in given else ["-H", key]
        more += [] if "content-type:" in given else ["-H", "content-type: application/json"]
        done = subprocess.run(
            [*command, *more, *arguments], capture_output=True, text=True, check=True
        )
        return done.stdout

    def deploy(self, name: str = "blue", script: str = SCRIPT, **fields: object) -> None:
        (self.folder / "code" / "score.py").write_text(script)
        spec = DeploymentSpec(
            name=name,
            endpoint=NAME,
            model="digits:1",
            code=str(self.folder / "code"),
            scoring_script="score.py",
            environment=EnvConfig(EnvType.local),
            instance_type="Standard_DS3_v2",
            environment_variables={"GATE": str(self.gate), "COLOUR": name},
            request_settings=RequestSettingsConfig(20_000, 4),
        )
        model = ModelFiles(self.folder / "model", "digits", "1")
        self.endpoints.deploy(replace(spec, **fields), model)  # type: ignore[arg-type]

    def restore(self) -> None:
        """Serve a new revision of blue, with all the traffic."""
        for path in self.gate.iterdir():
            path.unlink()
        self._restores += 1
        variables = {"GATE": str(self.gate), "COLOUR": "blue", "RESTORES": str(self._restores)}
        self.deploy(environment_variables=variables)
        self.update(traffic={"blue": 100}, auth_mode=AuthMode.key)

    def update(self, **fields: object) -> None:
        self.endpoints.create_or_update(EndpointSpec(NAME, **fields))  # type: ignore[arg-type]

    def noted(self, colour: str) -> int:
        """Return how often a deployment has answered `note`."""
        file = self.gate / f"noted-{colour}"
        return len(file.read_text()) if file.exists() else 0


def serve(folder: Path, settings: RequestSettingsConfig, **fields: object) -> Iterator[Service]:
    """Yield an endpoint whose deployment blue has all the traffic."""
    for name in ("code", "model", "gate"):
        (folder / name).mkdir()
    endpoints = Endpoints(folder / "endpoints")
    uri = endpoints.create_or_update(EndpointSpec(NAME)).scoring_uri
    assert uri
    service = Service(folder, endpoints, uri.removesuffix("/score"))
    try:
        service.deploy(request_settings=settings, **fields)
        service.update(traffic={"blue": 100})
        yield service
    finally:
        (folder / "gate" / "open").touch()
        endpoints.delete(NAME)
