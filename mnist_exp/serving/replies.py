"""The replies of a worker.

As in Azure ML's inference server, the module `json` of Python's standard library decides which
results of `run` are valid, and how a result is written. If `json` cannot write a result, the
container's status is 500. Examples are NumPy's numbers and arrays, dates and dataclasses. NaN is
written as `NaN`, although other parsers of JSON refuse this text.
"""

import json
import re
import sys
from collections.abc import Iterable
from typing import Any

from mnist_exp.serving.frames import Reply

_FAILED = "x-ms-run-function-failed"
_TOOK = "x-ms-run-fn-exec-ms"
#: The characters that Azure ML's server accepts in the names and values of headers.
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[ \t\x21-\x7e\x80-\xff]*")
_JSON = ("Content-Type", "application/json")


def result_reply(result: Any, seconds: float) -> Reply:
    """Return the reply with the result of `run`.

    Raises:
        TypeError: The result cannot be written as JSON.
        ValueError: The result contains itself.
        RecursionError: The result is nested too deeply.
    """
    flask = sys.modules.get("flask")
    if flask is not None and isinstance(result, flask.Response):
        return _response_reply(result, seconds)
    # Azure ML's server answers the result None with an empty object.
    body = json.dumps({} if result is None else result).encode()
    return Reply(200, int(seconds * 1e6), b"", body)


def error_reply(status: int, message: str, *, run_failed: bool = False) -> Reply:
    """Return a reply with an error message.

    Args:
        status: The HTTP status.
        message: The message for the client.
        run_failed: Whether `run` raised an exception or took too long.
    """
    headers = [_JSON, (_FAILED, str(run_failed))]
    return Reply(status, 0, _packed(headers), json.dumps({"message": message}).encode())


def _response_reply(response: Any, seconds: float) -> Reply:
    """Return the reply for an HTTP response that `run` returned, for example an AMLResponse."""
    if not 100 <= response.status_code <= 999:
        raise ValueError(f"the status of a response must have 3 digits, got {response.status}")
    if response.status_code >= 500:
        response.headers[_FAILED] = "True"
    response.headers.add(_TOOK, f"{seconds * 1000:.3f}")
    # Without this line, Flask refuses to read the body of `send_file`.
    response.direct_passthrough = False
    body = response.get_data()
    response.close()
    headers = list(response.get_wsgi_headers({}))
    for name, value in headers:
        if not _NAME.fullmatch(name) or not _VALUE.fullmatch(value):
            raise ValueError(f"the response has an invalid header: {name!r}: {value!r}")
    return Reply(response.status_code, int(seconds * 1e6), _packed(headers), body)


def _packed(headers: Iterable[tuple[str, str]]) -> bytes:
    return json.dumps(list(headers)).encode()
