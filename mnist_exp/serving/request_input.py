"""The input of a scoring script's `run` function, read from a request.

The input is the same as in Azure ML's inference server:

| request | input of an undecorated `run` |
|---|---|
| GET | the query as JSON text, for example `{"a": 1}` for `?a=1` |
| POST of a form, as `curl -d` sends it | an empty text: the server has read the form |
| any other POST | the body as text |

If `run` has the decorator `@input_schema`, its input is the values of a JSON object: the body of a
POST, or the query of a GET.
"""

import codecs
import inspect
import json
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl, quote

from mnist_exp.serving.flask_request import rest_of_form
from mnist_exp.serving.frames import Head, Request

#: Content types of forms, which Azure ML's server reads before `run` can read the body.
_FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")


class BadInputError(Exception):
    """The request lacks an argument of `run`, or its body cannot be parsed.

    Args:
        status: The HTTP status of the worker's answer.
        message: The error message for the client.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def text_input(request: Request) -> str:
    """Return the input of an undecorated `run`.

    Raises:
        BadInputError: The body is not UTF-8, or is a form that is too large.
    """
    head = request.head
    if head.method == "GET":
        return json.dumps(_query_values(head.query))
    try:
        return _unread_body(request).decode()
    except UnicodeDecodeError as error:
        raise BadInputError(400, f"Input cannot be decoded as UTF-8: {error}") from error


def schema_input(request: Request, parameters: Sequence[inspect.Parameter]) -> dict[str, Any]:
    """Return the input of a `run` with the decorator `@input_schema`.

    Raises:
        BadInputError: The body is not a JSON object, or the object lacks a parameter.
    """
    head = request.head
    given = _query_values(head.query) if head.method == "GET" else _object(request.body, head)
    return {parameter.name: _value(parameter, given) for parameter in parameters}


def _unread_body(request: Request) -> bytes | bytearray:
    if _content_type(request.head) not in _FORMS:
        return request.body
    rest = rest_of_form(request)
    if rest is None:
        raise BadInputError(413, "The data value transmitted exceeds the capacity limit.")
    return rest


def _object(body: bytes | bytearray, head: Head) -> Mapping[str, Any]:
    if not _is_json(_content_type(head)):
        raise BadInputError(415, "Expects Content-Type to be application/json")
    try:
        given = json.loads(body)
    except json.JSONDecodeError as error:
        fault = f"could not be decoded as JSON: {error}"
        empty = "is empty. Expecting a JSON dictionary."
        raise BadInputError(400, f"POST body {fault if body else empty}") from error
    if not isinstance(given, dict):
        raise BadInputError(400, "POST body should be a JSON dictionary.")
    return given


def _value(parameter: inspect.Parameter, given: Mapping[str, Any]) -> Any:
    value = given.get(parameter.name, parameter.default)
    if value is inspect.Parameter.empty:
        raise BadInputError(400, f"A value is not provided for the {parameter.name!r} parameter.")
    return value


def _query_values(query: str) -> dict[str, Any]:
    """Return the values in a query.

    A value that is valid JSON is parsed. If a name occurs several times, its value is a list.
    """
    pairs = parse_qsl(query.encode("latin-1").decode(), keep_blank_values=True, errors=_KEEP_QUOTED)
    values: dict[str, list[object]] = {}
    for name, value in pairs:
        values.setdefault(name, []).append(_json_or_text(value))
    return {name: all_ if len(all_) > 1 else all_[0] for name, all_ in values.items()}


def _json_or_text(value: str) -> object:
    try:
        return json.loads(value)
    except ValueError:
        return value


def _keep_quoted(error: UnicodeError) -> tuple[str, int]:
    """Keep bytes of a query that are not UTF-8 in the form `%FF`."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return quote(error.object[error.start : error.end], safe=""), error.end


_KEEP_QUOTED = "mnist_exp.keep_quoted"
codecs.register_error(_KEEP_QUOTED, _keep_quoted)


def _content_type(head: Head) -> str:
    return head.headers.get("Content-Type", "").partition(";")[0].strip().lower()


def _is_json(kind: str) -> bool:
    return kind == "application/json" or (
        kind.startswith("application/") and kind.endswith("+json")
    )
