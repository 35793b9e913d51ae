"""The decorator `@rawhttp`, and the type of its request."""

from collections.abc import Callable
from typing import TypeVar

import flask

__all__ = ["AMLRequest", "rawhttp"]

_Run = TypeVar("_Run", bound=Callable[..., object])

#: Whether the script has used the decorator. As in Azure ML's server, one use changes the input of
#: `run`, whichever function is decorated.
is_raw_http_requested = False


def rawhttp(run: _Run) -> _Run:
    """Mark a script whose `run` needs Flask's request instead of text."""
    global is_raw_http_requested  # noqa: PLW0603
    is_raw_http_requested = True
    return run


class AMLRequest(flask.Request):
    """The type of a request, for annotations in scripts."""
