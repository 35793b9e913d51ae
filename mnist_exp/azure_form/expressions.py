"""What Azure ML is told of a search space's expressions, whoever tells it."""

from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any

from mnist_exp.sweeps.space.expressions import Choice, Expression
from mnist_exp.sweeps.space.keys import azure_name


def azure_arguments(space: Expression, form: Callable[[Expression], Any]) -> dict[str, Any]:
    """Return the arguments of an expression, by the names that Azure ML has for them.

    Args:
        space: The expression.
        form: Says an expression that stands inside a choice.
    """
    if isinstance(space, Choice):
        return {"values": [_choice(value, form) for value in space.values]}
    # The base of logarithms is the sampling algorithm's on Azure.
    names = [field.name for field in fields(space) if field.name != "base"]
    return {name: getattr(space, name) for name in names}


def _choice(value: Any, form: Callable[[Expression], Any]) -> Any:
    if not isinstance(value, Mapping):
        return value
    return {
        azure_name(name): form(part) if isinstance(part, Expression) else part
        for name, part in value.items()
    }
