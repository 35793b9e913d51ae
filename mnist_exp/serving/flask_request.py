"""Flask's view of a request, because Azure ML's inference server is a Flask application.

Scripts may use `flask.request`, `flask.jsonify` and all else that needs a request of Flask. Flask
also reads the forms that an undecorated `run` gets as an empty text. This module imports Flask only
if a script needs Flask.
"""

import datetime
import importlib
import io
import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

from mnist_exp.serving.frames import Request

#: Headers without the prefix `HTTP_` in the environment of WSGI.
_WITHOUT_PREFIX = {"Content-Type", "Content-Length"}
_FLASK = re.compile(rb"\bflask\b")
#: Limits of Flask: bytes in a field of a form with several parts, and the number of these parts.
_FIELD_LIMIT = 500_000
_PARTS_LIMIT = 1000
#: The name of the application in Azure ML's server.
_APPLICATION = "azureml_inference_server_http.server.create_app"
#: The routes of Azure ML's server: path, name of the function, methods.
_ROUTES = (
    ("/score", "handle_score", ("GET", "POST", "OPTIONS")),
    ("/swagger.json", "get_swagger_specification", ("GET",)),
    ("/", "health_probe", ("GET",)),
)


def import_flask(code: Path) -> None:
    """Import Flask if a module in the code folder mentions Flask.

    If a script imported Flask only in `run`, the first request would have no Flask context.
    """
    if _mentions_flask(code):
        # A deployment's environment may have no Flask. A script that needs Flask fails later.
        with suppress(ImportError):
            importlib.import_module("flask")


def _mentions_flask(code: Path) -> bool:
    for path in code.rglob("*.py"):
        with suppress(OSError):
            if _FLASK.search(path.read_bytes()):
                return True
    return False


@contextmanager
def request_context(request: Request) -> Iterator[None]:
    """Set `flask.request`, `flask.g` and `flask.current_app` as Azure ML's server does."""
    with _application().request_context(_environment(request)):
        for name, value in _globals(request).items():
            setattr(sys.modules["flask"].g, name, value)
        yield


def current_request() -> Any:
    """Return `flask.request`."""
    return sys.modules["flask"].request


def rest_of_form(request: Request) -> bytes | None:
    """Return the bytes of a form that Flask does not read. A valid form has no such bytes.

    None means that the form is too large for Flask.
    """
    try:
        http = importlib.import_module("werkzeug.http")
        parser = importlib.import_module("werkzeug.formparser").FormDataParser(
            # Without this argument, each file of the form would become a temporary file.
            lambda **_: io.BytesIO(),
            max_form_memory_size=_FIELD_LIMIT,
            max_form_parts=_PARTS_LIMIT,
        )
    except ImportError:
        # Without Flask in the deployment's environment, assume a valid and small form.
        return b""
    kind, options = http.parse_options_header(request.head.headers["Content-Type"])
    body = io.BytesIO(request.body)
    try:
        parser.parse(body, kind.lower(), len(request.body), options)
    except sys.modules["werkzeug.exceptions"].RequestEntityTooLarge:
        return None
    return body.read()


@cache
def _application() -> Any:
    flask = sys.modules["flask"]
    application = flask.Flask(__name__)
    # Set the name afterwards. Flask would search for a module with this name.
    application.name = _APPLICATION
    blueprint = flask.Blueprint("main", __name__)
    for path, name, methods in _ROUTES:
        # Flask only needs the name, and never calls the function.
        blueprint.add_url_rule(path, name, lambda: "", methods=methods)
    application.register_blueprint(blueprint)
    return application


def _globals(request: Request) -> dict[str, object]:
    """Return the attributes that Azure ML's server adds to `flask.g`."""
    id_ = request.id.decode()
    client_id = request.head.headers.get("X-Ms-Client-Request-Id", "")
    old_id = request.head.headers.get("X-Ms-Request-Id", "")
    return {
        "api_name": "/score",
        "start_datetime": datetime.datetime.now(datetime.UTC).replace(tzinfo=None),
        "starting_perf_counter": time.perf_counter(),
        "request_id": id_,
        "client_request_id": client_id or old_id,
        "legacy_client_request_id": old_id or client_id or id_,
    }


def _environment(request: Request) -> dict[str, Any]:
    """Return a request in the form of WSGI: https://peps.python.org/pep-3333/."""
    head = request.head
    variables = {
        ("" if name in _WITHOUT_PREFIX else "HTTP_") + name.upper().replace("-", "_"): value
        for name, value in head.headers.items()
    }
    host, _, port = head.headers.get("Host", "localhost").partition(":")
    return {
        **variables,
        "REQUEST_METHOD": head.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": "/score",
        "QUERY_STRING": head.query,
        "REMOTE_ADDR": "127.0.0.1",
        "SERVER_NAME": host,
        "SERVER_PORT": port or "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(request.body),
        "wsgi.input_terminated": True,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": False,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
