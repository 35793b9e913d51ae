"""How a scoring script's `run` is called: as Azure ML's server reads it from the signature.

| form | what it gets |
|---|---|
| `run(raw_data)` | the body as text |
| `run(raw_data, request_headers)` | and a dict of the request's headers |
| `@input_schema("a", ...)` before `run(a)` | the values of a JSON object, by name |

https://learn.microsoft.com/azure/machine-learning/how-to-inference-server-http
"""

import inspect
import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from mnist_exp.serving.frames import METHOD

#: `run` may take the request's headers under this name.
_HEADERS = "request_headers"
#: Where the decorators of `@rawhttp` are defined, in the order of their age.
_RAW_HTTP = (
    "azureml.contrib.services.aml_request",
    "azureml_inference_server_http.api.aml_request",
)
_RAW_HTTP_PACKAGES = ("azureml.contrib", "azureml_inference_server_http")
_NO_RAW_HTTP = (
    "@rawhttp, AMLRequest and AMLResponse are not supported on this machine; "
    "write run(raw_data) or run(raw_data, request_headers), which Azure ML takes too"
)
#: What `@input_schema` comes from; the script's environment has it or has not.
_SCHEMAS = "inference_schema.schema_util"
_NO_SCHEMAS = (
    "@input_schema needs a package that is not here: pip install inference-schema, "
    "or write run(raw_data) and read the JSON yourself"
)
_NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


class BadInputError(Exception):
    """The request is not what `run` takes.

    Args:
        status: What the container answers.
        message: What is wrong.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class Calling:
    """A `run` and what it takes.

    Attributes:
        parameters: What comes from the body.
        takes_headers: Whether it takes `request_headers` as well.
        has_schema: Whether the body is JSON with a value for each parameter.
    """

    run: Callable[..., object]
    parameters: tuple[inspect.Parameter, ...]
    takes_headers: bool
    has_schema: bool

    @property
    def needs_headers(self) -> bool:
        """Whether the headers must come with each request."""
        return self.takes_headers or self.has_schema

    def __call__(self, raw_data: str, headers: bytes) -> object:
        """Call `run`; raises whatever it raises, and BadInputError."""
        if not self.needs_headers:
            return self.run(**{self.parameters[0].name: raw_data})
        given: dict[str, str] = json.loads(headers or b"{}")
        method = given.pop(METHOD, "POST")
        if self.has_schema:
            values = self._values(raw_data, method, given.get("Content-Type", ""))
        else:
            values = {self.parameters[0].name: raw_data}
        if self.takes_headers:
            values[_HEADERS] = given
        return self.run(**values)

    def _values(self, raw_data: str, method: str, content_type: str) -> dict[str, Any]:
        if method == "POST" and not _is_json(content_type):
            raise BadInputError(415, "the content type must be application/json")
        try:
            body = json.loads(raw_data)
        except (ValueError, RecursionError) as error:
            raise BadInputError(400, f"the body must be JSON: {error}") from error
        if not isinstance(body, dict):
            raise BadInputError(400, f"the body must be an object, got {type(body).__name__}")
        return {one.name: _value(one, body) for one in self.parameters}


def calling(run: Callable[..., object]) -> Calling:
    """Return how `run` is to be called.

    Raises:
        TypeError: Azure ML would not call it, or it is one that only Azure ML calls.
    """
    _refuse_raw_http()
    parameters = inspect.signature(run).parameters.values()
    if odd := [str(one) for one in parameters if one.kind not in _NAMED]:
        raise TypeError(
            f"run() must have named parameters alone, got {', '.join(odd)}; write run(raw_data)"
        )
    inputs = tuple(one for one in parameters if one.name != _HEADERS)
    if not inputs:
        raise TypeError("run() must have a parameter for the request; write run(raw_data)")
    return Calling(run, inputs, len(inputs) < len(parameters), _has_schema(run))


def missing_fault(module: str) -> str:
    """Return what to do about a module of Azure ML's that a script cannot import; '' of others."""
    if module.startswith(_RAW_HTTP_PACKAGES):
        return _NO_RAW_HTTP
    if module.partition(".")[0] == _SCHEMAS.partition(".")[0]:
        return _NO_SCHEMAS
    return ""


def _refuse_raw_http() -> None:
    for name in _RAW_HTTP:
        if getattr(sys.modules.get(name), "_rawHttpRequested", False):
            raise TypeError(_NO_RAW_HTTP)


def _has_schema(run: Callable[..., object]) -> bool:
    schemas = sys.modules.get(_SCHEMAS)
    return schemas is not None and bool(schemas.is_schema_decorated(run))


def _is_json(content_type: str) -> bool:
    kind = content_type.partition(";")[0].strip().lower()
    return kind == "application/json" or (
        kind.startswith("application/") and kind.endswith("+json")
    )


def _value(parameter: inspect.Parameter, body: Mapping[str, Any]) -> Any:
    value = body.get(parameter.name, parameter.default)
    if value is inspect.Parameter.empty:
        raise BadInputError(400, f'the body must have the key "{parameter.name}"')
    return value
