"""The HTTP response that `run` may return."""

import json
from collections.abc import Mapping
from typing import Any

import flask

__all__ = ["AMLResponse"]

_EMPTY: Mapping[str, str] = {}


class AMLResponse(flask.Response):
    """An HTTP response.

    Args:
        message: The body: text, bytes, an iterable of both, or None for an empty JSON object.
        status_code: The HTTP status.
        response_headers: Names and values of headers. If a value contains commas, each part of the
            value becomes a separate header.
        json_str: Whether `message` is written as JSON.
        run_function_failed: The value of the header `x-ms-run-function-failed`.
    """

    def __init__(
        self,
        message: Any,
        status_code: int,
        response_headers: Mapping[str, str] = _EMPTY,
        json_str: bool = False,
        run_function_failed: bool = False,
    ) -> None:
        is_json = json_str or message is None
        body = json.dumps({} if message is None else message) if is_json else message
        super().__init__(body, status_code, mimetype="application/json" if is_json else None)
        # Azure ML's server adds the content type of the script to the content type of JSON.
        if not is_json and "Content-Type" in response_headers:
            del self.headers["Content-Type"]
        self.headers["x-ms-run-function-failed"] = str(run_function_failed)
        for name, values in response_headers.items():
            for value in values.split(","):
                self.headers.add(name, value.strip())
