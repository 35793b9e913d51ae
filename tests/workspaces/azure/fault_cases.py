"""Faults to inject, for every kind of request that `stage=all` sends."""

import random
from dataclasses import dataclass

from tests.azure_emulator.faults import Action

#: Faults of any request.
ANY = (
    Action.UNAUTHORIZED,
    Action.FORBIDDEN,
    Action.THROTTLED,
    Action.BROKEN,
    Action.RESET_BEFORE,
    Action.RESET_AFTER,
    Action.STALL,
)
#: Further faults of requests that read something new, that write, or that start an operation.
READ = (Action.NOT_FOUND,)
WRITE = (Action.CONFLICT,)
LONG = (*WRITE, Action.OPERATION_FAILED)

#: State -> the request that always fails in the command before it.
STATES = {
    "nothing": "",
    "before the code": "codes.versions",
    "before the job": "job.put",
    "before the model": "models.put",
    "before the endpoint": "endpoint.put",
}

#: State -> kind of request -> its faults besides ANY.
KINDS: dict[str, dict[str, tuple[Action, ...]]] = {
    "nothing": {
        "metadata": READ,
        "token": READ,
        "compute.get": READ,
        "compute.put": LONG,
        "operation.get": READ,
        "workspace.get": (),
    },
    "before the code": {
        "codes.versions": (),
        "codes.upload": (),
        "blob.head": (),
        "blob.put": (),
        "codes.put": WRITE,
    },
    "before the job": {
        "job.get": READ,
        "job.put": (*WRITE, Action.JOB_FAILED, Action.PREEMPTED),
        "run.details": READ,
        "run.children": READ,
        "mlflow.run": READ,
        "mlflow.history": (),
        "run.data": (),
        "datastore.get": (),
        "datastore.list": (),
        "datastore.secrets": (),
        "blob.list": (),
        "blob.get": (),
    },
    "before the model": {"models.versions": READ, "models.put": WRITE, "models.version": READ},
    "before the endpoint": {
        "endpoint.get": READ,
        "endpoint.put": LONG,
        "endpoint.list": (),
        "environments.put": WRITE,
        "deployment.put": LONG,
        "deployment.list": READ,
        "endpoint.keys": READ,
        "score": READ,
        "endpoint.delete": LONG,
        "compute.list": (),
        "compute.delete": LONG,
    },
}


#: Fault of the network -> the environment variable with the fault, and its value. The folder has no
#: file `none.pem`. The proxy is closed, and the page is a web server.
NETWORK_FAULTS = {
    "TLS": ("REQUESTS_CA_BUNDLE", "{folder}/none.pem"),
    "proxy": ("HTTPS_PROXY", "http://{closed}"),
    "identity": ("IDENTITY_ENDPOINT", "http://{page}/token"),
}
#: Kinds of requests to the tracking service.
TRACKING = ("mlflow.run", "mlflow.history")


@dataclass(frozen=True)
class Case:
    """A fault of the first request of a kind after a state."""

    state: str
    kind: str
    action: Action

    def __str__(self) -> str:
        return f"{self.kind}-{self.action.value}".replace(" ", "_")


CASES = [
    Case(state, kind, action)
    for state, kinds in KINDS.items()
    for kind, more in kinds.items()
    for action in (*ANY, *more)
]


def _seeded() -> list[Case]:
    # Each stall takes seconds, so a few have to do.
    draw = random.Random(6)
    stalls = [case for case in CASES if case.action is Action.STALL]
    others = [case for case in CASES if case.action is not Action.STALL]
    # The SDK used to wait without end for a refused upload.
    refused = Case("before the code", "blob.put", Action.FORBIDDEN)
    others.remove(refused)
    return [refused, *draw.sample(stalls, 2), *draw.sample(others, 37)]


#: The forty cases of the normal test run.
SEEDED = set(map(str, _seeded()))
