"""Azure Machine Learning on loopback: the server, and the state that its routes share."""

import contextlib
import re
import secrets
import socket
import ssl
import struct
import threading
import time
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.azure_emulator import routes
from tests.azure_emulator.certificates import Certificates
from tests.azure_emulator.engines import Engine
from tests.azure_emulator.faults import Action, Faults
from tests.azure_emulator.operations import Operations
from tests.azure_emulator.rules import Quota
from tests.azure_emulator.store import Store
from tests.azure_emulator.wire import ROUTES, Call, RefusalError, Reply, Route

SUBSCRIPTION = "00000000-0000-0000-0000-000000000001"
GROUP = "group"
WORKSPACE = "workspace"
LOCATION = "eastus"

#: Kinds of requests that need no bearer token of ours.
OPEN = ("metadata", "token", "discovery", "blob", "log", "score")
#: Seconds until a stalled request is dropped; fewer if the emulator closes.
STALL_S = 4.0

STATUSES = {
    Action.UNAUTHORIZED: (401, "ExpiredAuthenticationToken", "The access token has expired."),
    Action.FORBIDDEN: (
        403,
        "AuthorizationFailed",
        "The client does not have authorization to perform action.",
    ),
    Action.NOT_FOUND: (404, "ResourceNotFound", "The resource was not found."),
    Action.CONFLICT: (409, "Conflict", "Another operation on this resource is in progress."),
    Action.THROTTLED: (429, "TooManyRequests", "The request was throttled."),
    Action.BROKEN: (500, "InternalServerError", "An internal error occurred."),
}


@dataclass(frozen=True)
class Recorded:
    """A request with its kind and the status of its answer."""

    kind: str
    method: str
    path: str
    query: Mapping[str, str]
    body: Any
    headers: Mapping[str, str] = field(repr=False)
    status: int = 0


class Emulator:
    """One workspace of Azure ML, empty at first.

    Args:
        certificates: Certificate of the server.
        engine: Runs jobs and deployments.
        folder: Folder for the engine's files.
    """

    def __init__(self, certificates: Certificates, engine: Engine, folder: Path) -> None:
        self.certificates = certificates
        self.engine = engine
        self.folder = folder
        self.faults = Faults()
        self.store = Store()
        self.quota = Quota()
        self.operations = Operations(self.faults)
        self.requests: list[Recorded] = []
        #: Address in a public storage account -> local folder.
        self.mounts: dict[str, Path] = {}
        #: Prefixes of the kinds of requests that the caller has no role for.
        self.forbidden: set[str] = set()
        self.page_size = 100
        self.lock = threading.RLock()
        self.closing = threading.Event()
        routes.load()
        self._server = _Server(("127.0.0.1", 0), partial(_Handler, self))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificates.chain)
        self._server.context = context
        # A test that fails may not close the emulator. A daemon thread lets the process end.
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.02,), daemon=True
        )
        self._thread.start()
        engine.attach(self)

    @property
    def port(self) -> int:
        """The port on 127.0.0.1."""
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        """The one address of resource manager, run history, storage and scoring."""
        return f"https://127.0.0.1:{self.port}"

    @property
    def ws(self) -> str:
        """The resource id of the workspace."""
        return (
            f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{GROUP}/providers/"
            f"Microsoft.MachineLearningServices/workspaces/{WORKSPACE}"
        )

    @property
    def datastores(self) -> str:
        """The address of the datastores, as addresses of files begin with it."""
        return (
            f"azureml://subscriptions/{SUBSCRIPTION}/resourcegroups/{GROUP}/"
            f"workspaces/{WORKSPACE}/datastores"
        )

    @property
    def environment(self) -> dict[str, str]:
        """Environment variables that make a program take the emulator for Azure."""
        return {
            "ARM_CLOUD_METADATA_URL": f"{self.url}/metadata/endpoints?api-version=2019-05-01",
            "REQUESTS_CA_BUNDLE": str(self.certificates.authority),
            "IDENTITY_ENDPOINT": f"{self.url}/msi/token",
            "IDENTITY_HEADER": "x",
            "AZUREML_RUN_POLLING_INTERVAL_MIN": "1",
            "AZURE_SUBSCRIPTION_ID": SUBSCRIPTION,
            "AZURE_RESOURCE_GROUP": GROUP,
            "AZUREML_WORKSPACE_NAME": WORKSPACE,
        }

    def close(self) -> None:
        """Stop the engine and the server, and close every connection."""
        self.closing.set()
        self.engine.close()
        self._server.shutdown()
        self._thread.join()
        self._server.close_connections()
        # This waits for the handlers, so that none keeps a socket open.
        self._server.server_close()

    def recorded(self, *kinds: str) -> list[Recorded]:
        """Return the requests of these kinds, oldest first."""
        return [one for one in self.requests if one.kind in kinds]

    def answer(self, call: Call) -> Reply | None:
        """Answer a request; None drops the connection."""
        found = _find(call)
        if found is None:
            refusal = RefusalError(
                404, "UnknownRoute", f"nothing answers {call.method} {call.path}"
            )
            return self._recorded("unknown", call, refusal.reply)
        call.names = found[1]
        kind = found[0].kind.format(**{key: name.lower() for key, name in found[1].items()})
        action = self.faults.due(
            kind, *STATUSES, Action.RESET_BEFORE, Action.RESET_AFTER, Action.STALL
        )
        if action is Action.STALL:
            self.closing.wait(STALL_S)
            return None
        if action is Action.RESET_BEFORE:
            return None
        try:
            if action in STATUSES:
                status, code, message = STATUSES[action]
                raise RefusalError(status, code, message, **_hints(action))
            self._admit(kind, call)
            reply = found[0].answer(call)
        except RefusalError as refusal:
            reply = refusal.reply
        if action is Action.RESET_AFTER:
            self._recorded(kind, call, reply)
            return None
        return self._recorded(kind, call, reply)

    def _admit(self, kind: str, call: Call) -> None:
        if kind.split(".", maxsplit=1)[0] in OPEN:
            return
        if not call.headers.get("authorization", "").startswith("Bearer "):
            raise RefusalError(401, "AuthenticationFailed", "Authentication failed: no token.")
        if any(kind.startswith(prefix) for prefix in self.forbidden):
            raise RefusalError(403, "AuthorizationFailed", f"no role allows {kind}")
        names = call.names
        if "ws" in names and (names["ws"].lower(), names["group"].lower()) != (WORKSPACE, GROUP):
            raise RefusalError(404, "ResourceNotFound", f"no workspace {names['ws']}")

    def _recorded(self, kind: str, call: Call, reply: Reply) -> Reply:
        body: Any = None
        with contextlib.suppress(ValueError):
            body = _read(kind, call)
        one = Recorded(
            kind, call.method, call.path, call.query, body, dict(call.headers), reply.status
        )
        self.requests.append(one)
        reply.headers.setdefault("x-ms-request-id", secrets.token_hex(8))
        return reply


class _Server(ThreadingHTTPServer):
    daemon_threads = False
    context: ssl.SSLContext
    # A shorter queue refuses connections that come all at once.
    request_queue_size = 64

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._connections: set[socket.socket] = set()

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        # The handler's thread does the handshake, so a silent client blocks no other.
        wrapped = self.context.wrap_socket(
            connection, server_side=True, do_handshake_on_connect=False
        )
        self._connections.add(wrapped)
        return wrapped, address

    def shutdown_request(self, request: Any) -> None:
        self._connections.discard(request)
        super().shutdown_request(request)

    def close_connections(self) -> None:
        """End the connections that clients keep alive, so that their handlers return."""
        for connection in list(self._connections):
            with contextlib.suppress(OSError):
                # SSLSocket.shutdown would take the TLS state away from a handler that reads.
                socket.socket.shutdown(connection, socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Print nothing: clients may close a connection at any time."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Send headers and body in one packet: two unbuffered writes cost 40 ms.
    disable_nagle_algorithm = True
    wbufsize = -1
    timeout = 60

    def __init__(self, emulator: Emulator, *arguments: Any) -> None:
        self._emulator = emulator
        # The base class answers all requests of the connection here.
        super().__init__(*arguments)

    def _call(self) -> Call:
        split = urllib.parse.urlsplit(self.path)
        # The SDK joins ids of several parts with double slashes.
        path = re.sub("/{2,}", "/", urllib.parse.unquote(split.path))
        query = {
            name.lower(): value
            for name, value in urllib.parse.parse_qsl(split.query, keep_blank_values=True)
        }
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = self.rfile.read(int(headers.get("content-length", 0)))
        return Call(self._emulator, self.command, path, query, headers, body)

    def _serve(self) -> None:
        call = self._call()
        reply = self._emulator.answer(call)
        if reply is None:
            self._drop()
            return
        body = reply.encoded()
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        if reply.status != 204:
            self.send_header("Content-Length", reply.headers.get("x-length", str(len(body))))
        self.end_headers()
        if call.method != "HEAD" and reply.status != 204:
            self.wfile.write(body)

    def _drop(self) -> None:
        # Without lingering the client sees a reset, as from a broken connection.
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.connection.close()

    do_GET = do_PUT = do_POST = do_DELETE = do_PATCH = do_HEAD = _serve  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:
        """Print nothing: requests are recorded."""


def _find(call: Call) -> tuple[Route, dict[str, str]] | None:
    for route in ROUTES:
        if route.method == call.method and (found := route.pattern.fullmatch(call.path)):
            return route, {name: value or "" for name, value in found.groupdict().items()}
    return None


def _read(kind: str, call: Call) -> Any:
    if kind.startswith("blob"):
        return len(call.body)
    return call.form if kind == "token.secret" else call.json


def _hints(action: Action) -> dict[str, str]:
    return {"x_ms_retry_after_ms": "20"} if action is Action.THROTTLED else {}


def now() -> str:
    """Return the time in Azure's format."""
    return time.strftime("%Y-%m-%dT%H:%M:%S.0000000Z", time.gmtime())
