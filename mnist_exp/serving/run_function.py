"""The arguments of a scoring script's `run` function.

As in Azure ML's inference server, the signature of `run` decides which arguments are passed:

| signature | arguments |
|---|---|
| `run(raw_data)` | the body as text |
| `run(raw_data, request_headers)` | the body as text, and a dict of the request's headers |
| `run(a)` with the decorator `@input_schema("a", ...)` | the values in the JSON body, by name |

https://learn.microsoft.com/azure/machine-learning/how-to-inference-server-http
"""

import inspect
import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from mnist_exp.serving.frames import METHOD

#: Name of the parameter that gets the request's headers.
_HEADERS = "request_headers"
#: Modules that define the decorator `@rawhttp`: the module of old releases of Azure ML, and the
#: module of new releases.
_RAW_HTTP = (
    "azureml.contrib.services.aml_request",
    "azureml_inference_server_http.api.aml_request",
)
_RAW_HTTP_PACKAGES = ("azureml.contrib", "azureml_inference_server_http")
_NO_RAW_HTTP = (
    "@rawhttp, AMLRequest and AMLResponse are not supported on this machine; "
    "write run(raw_data) or run(raw_data, request_headers), which Azure ML also supports"
)
#: Module that defines `@input_schema`. The module may be missing in the script's environment.
_SCHEMAS = "inference_schema.schema_util"
_NO_SCHEMAS = (
    "@input_schema needs a package that is not installed: pip install inference-schema, "
    "or write run(raw_data) and parse the JSON yourself"
)
_NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


class BadInputError(Exception):
    """The request lacks an argument of `run`, or its body cannot be parsed.

    Args:
        status: The HTTP status of the worker's answer.
        message: The error message for the caller.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class RunFunction:
    """The `run` function of a script, and the arguments that `run` takes.

    Attributes:
        parameters: The parameters whose values are in the body of a request.
        takes_headers: Whether `run` also takes `request_headers`.
        has_schema: Whether the body is JSON with a value for each parameter.
    """

    run: Callable[..., object]
    parameters: tuple[inspect.Parameter, ...]
    takes_headers: bool
    has_schema: bool

    @property
    def needs_headers(self) -> bool:
        """Whether each request must carry its headers."""
        return self.takes_headers or self.has_schema

    def __call__(self, raw_data: str, headers: bytes) -> object:
        """Call `run`, and return its result.

        Raises:
            BadInputError: The request lacks an argument of `run`, or its body cannot be parsed.
            BaseException: Any exception that `run` raises.
        """
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
            # Azure ML's server accepts a byte order mark, which some editors write.
            body = json.loads(raw_data.removeprefix("\ufeff"))
        except (ValueError, RecursionError) as error:
            raise BadInputError(400, f"the body must be JSON: {error}") from error
        if not isinstance(body, dict):
            raise BadInputError(400, f"the body must be an object, got {type(body).__name__}")
        return {parameter.name: _value(parameter, body) for parameter in self.parameters}


def inspect_run(run: Callable[..., object], *, has_schema: bool = False) -> RunFunction:
    """Return `run` together with the arguments that `run` takes.

    Args:
        run: The function of the scoring script.
        has_schema: Whether `run` takes the values of a JSON object, also without `@input_schema`.

    Raises:
        TypeError: Azure ML does not accept the parameters of `run`, or `run` uses a feature that
            works only on Azure ML.
    """
    _refuse_raw_http()
    parameters = inspect.signature(run).parameters.values()
    if odd := [str(found) for found in parameters if found.kind not in _NAMED]:
        raise TypeError(
            f"run() must have only named parameters, got {', '.join(odd)}; write run(raw_data)"
        )
    inputs = tuple(found for found in parameters if found.name != _HEADERS)
    if not inputs:
        raise TypeError("run() must have a parameter for the request; write run(raw_data)")
    return RunFunction(run, inputs, len(inputs) < len(parameters), has_schema or _has_schema(run))


def missing_fault(module: str) -> str:
    """Return an error message for a missing module of Azure ML; empty for any other module."""
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
