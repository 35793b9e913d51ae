"""The arguments of a scoring script's `run` function.

As in Azure ML's inference server, the definition of `run` decides which arguments are passed:

| definition | arguments |
|---|---|
| `run(raw_data)` | the body as text |
| `run(raw_data, request_headers)` | the body as text, and a dict of the request's headers |
| `run(a)` with the decorator `@input_schema("a", ...)` | the values in the JSON body, by name |
| `run(request)` with the decorator `@rawhttp` | Flask's request |

https://learn.microsoft.com/azure/machine-learning/how-to-inference-server-http
"""

import inspect
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

from mnist_exp.serving.azure_modules import is_raw_http
from mnist_exp.serving.flask_request import current_request, request_context
from mnist_exp.serving.frames import Request
from mnist_exp.serving.request_input import schema_input, text_input

#: Name of the parameter that gets the request's headers.
_HEADERS = "request_headers"
#: Module that defines `@input_schema`. The module may be missing in the script's environment.
_SCHEMAS = "inference_schema.schema_util"
_NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


@dataclass(frozen=True)
class RunFunction:
    """The `run` function of a script, and the arguments that `run` takes.

    Attributes:
        read_input: Function that returns the arguments which a request contains.
        takes_headers: Whether `run` also takes `request_headers`.
        has_schema: Whether `run` has the decorator `@input_schema`.
    """

    run: Callable[..., object]
    read_input: Callable[[Request], dict[str, Any]]
    takes_headers: bool
    has_schema: bool

    @property
    def needs_head(self) -> bool:
        """Whether `run` needs the head of every request."""
        return self.takes_headers or self.has_schema or _uses_flask()

    def context(self, request: Request) -> AbstractContextManager[object]:
        """Return the context in which `arguments` and `run` are called."""
        return request_context(request) if _uses_flask() else nullcontext()

    def arguments(self, request: Request) -> dict[str, Any]:
        """Return the arguments of `run`.

        Raises:
            BadInputError: The request lacks an argument of `run`, or its body cannot be parsed.
        """
        values = self.read_input(request)
        if self.takes_headers:
            sent = request.head.headers.items()
            # Flask omits a content type without a value.
            values[_HEADERS] = {k: v for k, v in sent if v or k != "Content-Type"}
        return values


def inspect_run(run: Callable[..., object], *, has_schema: bool = False) -> RunFunction:
    """Return `run` together with the arguments that `run` takes.

    Args:
        run: The function of the scoring script.
        has_schema: Whether `run` takes the values of a JSON object, also without `@input_schema`.

    Raises:
        TypeError: Azure ML does not accept the parameters or the decorators of `run`.
    """
    parameters = inspect.signature(run).parameters.values()
    if odd := [str(found) for found in parameters if found.kind not in _NAMED]:
        raise TypeError(
            f"run() must have only named parameters, got {', '.join(odd)}; write run(raw_data)"
        )
    inputs = tuple(found for found in parameters if found.name != _HEADERS)
    if not inputs:
        raise TypeError("run() must have a parameter for the request; write run(raw_data)")
    has_schema = has_schema or _has_schema(run)
    read_input = _input_reader(inputs, has_schema=has_schema)
    return RunFunction(run, read_input, len(inputs) < len(parameters), has_schema)


def _input_reader(
    inputs: Sequence[inspect.Parameter], *, has_schema: bool
) -> Callable[[Request], dict[str, Any]]:
    name = inputs[0].name
    if has_schema and is_raw_http():
        raise TypeError("run() must not have both decorators @rawhttp and @input_schema")
    if is_raw_http():
        return lambda _: {name: current_request()}
    if has_schema:
        return lambda request: schema_input(request, inputs)
    return lambda request: {name: text_input(request)}


def _has_schema(run: Callable[..., object]) -> bool:
    schemas = sys.modules.get(_SCHEMAS)
    return schemas is not None and bool(schemas.is_schema_decorated(run))


def _uses_flask() -> bool:
    """Return whether the script may use Flask's objects, for example `flask.request`."""
    return "flask" in sys.modules
