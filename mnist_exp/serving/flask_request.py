"""Flask's request, for scripts that use Flask or the decorator `@rawhttp`.

Azure ML's inference server is a Flask application. Its scripts may therefore use `flask.request`,
`flask.jsonify` and all else that needs a request of Flask. This module is used only if the script
has imported Flask.
"""

import io
import sys
from functools import cache
from typing import Any

from mnist_exp.serving.frames import Request

#: Headers without the prefix `HTTP_` in the environment of WSGI.
_WITHOUT_PREFIX = {"Content-Type", "Content-Length"}


def request_context(request: Request) -> Any:
    """Return a context manager in which `flask.request` is the request."""
    return _application().request_context(_environment(request))


def current_request() -> Any:
    """Return `flask.request`."""
    return sys.modules["flask"].request


@cache
def _application() -> Any:
    return sys.modules["flask"].Flask(__name__)


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
