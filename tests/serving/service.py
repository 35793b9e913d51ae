"""A real server process behind a scoring script that does what the request says."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx

from mnist_exp.config import EnvType
from mnist_exp.specs import DeploymentSpec, EndpointSpec, EnvironmentSpec, RequestSettings
from mnist_exp.workspaces.local.endpoints import Endpoints, Keys

NAME = "digits-endpoint"
SCRIPT = """
import os, pathlib, threading, time
import numpy

GATE = pathlib.Path(os.environ["GATE"])
PAIR = threading.Barrier(2)
INIT_THREAD = None

def init():
    global INIT_THREAD
    INIT_THREAD = threading.get_ident()

def run(raw_data):
    return ACTIONS.get(raw_data, lambda: {"type": type(raw_data).__name__, "size": len(raw_data)})()

def fail():
    raise ValueError("a secret of the script")

def leave():
    raise SystemExit(1)

def wait():
    while not (GATE / "open").exists():
        time.sleep(0.01)
    return "waited"

def meet():
    PAIR.wait(30)
    return "met"

ACTIONS = {
    "list": lambda: [1, "zwei", None, {"drei": 3.5}],
    "text": lambda: '{"a": 1}',
    "none": lambda: None,
    "numpy": lambda: {"digit": numpy.int64(7), "row": numpy.arange(3, dtype=numpy.float32)},
    "int keys": lambda: {1: 2},
    "object": lambda: object(),
    "fail": fail,
    "leave": leave,
    "wait": wait,
    "meet": meet,
    "thread": lambda: threading.get_ident() == INIT_THREAD,
}
"""


@dataclass
class Service:
    """A deployment and a client that has its key."""

    uri: str
    keys: Keys
    gate: Path
    log: Path

    @property
    def client(self) -> httpx.Client:
        headers = {"authorization": f"Bearer {self.keys.primary}"}
        return httpx.Client(base_url=self.uri, headers=headers, trust_env=False, timeout=60)

    def score(self, body: bytes | str, **headers: str) -> httpx.Response:
        with self.client as client:
            raw = [(name.encode(), value.encode()) for name, value in headers.items()]
            return client.post("/score", content=body, headers=raw)

    @property
    def port(self) -> int:
        return httpx.URL(self.uri).port or 0


def serve(folder: Path, settings: RequestSettings) -> Iterator[Service]:
    code, model, gate = folder / "code", folder / "model", folder / "gate"
    for path in (code, model, gate):
        path.mkdir()
    (code / "score.py").write_text(SCRIPT)
    endpoints = Endpoints(folder / "endpoints")
    endpoints.create_or_update(EndpointSpec(NAME))
    spec = DeploymentSpec(
        name="blue",
        endpoint=NAME,
        model="digits:1",
        code=code,
        scoring_script="score.py",
        environment=EnvironmentSpec(EnvType.local),
        instance_type="Standard_DS3_v2",
        environment_variables={"GATE": str(gate)},
        request_settings=settings,
    )
    try:
        deployment = endpoints.deploy(spec, model, "digits", "1")
        assert deployment.scoring_uri and deployment.log
        uri = deployment.scoring_uri.removesuffix("/score")
        yield Service(uri, endpoints.keys(NAME), gate, Path(deployment.log))
    finally:
        (gate / "open").touch()
        endpoints.delete(NAME)
