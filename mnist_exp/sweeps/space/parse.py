"""Read a search space from the config.

Azure ML's client does not validate most of a search space. The functions of this module report
every mistake before the sweep is submitted. The rules are from
https://learn.microsoft.com/azure/machine-learning/reference-yaml-job-sweep
"""

import math
import sys
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from mnist_exp.sweeps.fields import Fields, did_you_mean, shown
from mnist_exp.sweeps.space.expressions import (
    Choice,
    Expression,
    LogNormal,
    LogUniform,
    Normal,
    QLogNormal,
    QLogUniform,
    QNormal,
    QUniform,
    Randint,
    Uniform,
)
from mnist_exp.sweeps.space.keys import azure_name, name_fault

#: Type in Azure ML's YAML -> class of the expression.
EXPRESSIONS: Mapping[str, type[Expression]] = {
    kind.type: kind
    for kind in (
        Choice,
        Randint,
        Uniform,
        QUniform,
        LogUniform,
        QLogUniform,
        Normal,
        QNormal,
        LogNormal,
        QLogNormal,
    )
}

#: Field -> valid number. If a field cannot be read, this number replaces its value while the other
#: fields are checked.
_STAND_INS = {"min_value": 0.0, "max_value": 1.0, "mu": 0.0, "sigma": 1.0, "q": 1.0}
#: The largest `upper`. Floats can represent every whole number up to this limit.
_LARGEST_UPPER = 2**53


def parse_search_space(
    raw: Mapping[str, Any], where: str = "sweep.search_space", logbase: float = math.e
) -> tuple[dict[str, Expression], list[str]]:
    """Read a search space.

    Keys may be dotted or nested. Hydra's command line creates nested keys, e.g.
    `+sweep.search_space.model.learning_rate={...}`. The bounds of `loguniform` and `qloguniform`
    are either logarithms (`min_value`, `max_value`) or the bounds themselves (`low`, `high`).

    Args:
        raw: Key -> mapping with `type` and the fields of the type.
        where: The config key of the space.
        logbase: The base of the logarithmic expressions, from the sampling algorithm.

    Returns:
        A pair: the expressions that have no faults, and the faults, one line per fault.
    """
    space: dict[str, Expression] = {}
    faults: list[str] = []
    keys: dict[str, str] = {}
    for key, entry in _flat(raw):
        rule = name_fault(key)
        other = keys.setdefault(azure_name(key), key)
        if rule:
            faults.append(f"{where}: {rule}")
        elif key in space:
            faults.append(
                f"{where}.{key}: must be given only once, got a nested and a dotted key; "
                "remove one of these keys"
            )
        elif other != key:
            faults.append(
                f"{where}.{key}: must differ from {other} on Azure ML, where both keys have the "
                f"name {azure_name(key)}; rename one of these keys"
            )
        expression = _expression(entry, f"{where}.{key}", logbase, faults)
        if expression and not rule:
            space[key] = expression
    if not raw:
        faults.append(
            f"{where}: must have at least one parameter, got no parameter; "
            f"add a parameter, e.g. '+{where}.batch_size={{type: choice, values: [32, 64]}}'"
        )
    return space, faults


def space_keys(raw: Mapping[str, Any]) -> list[str]:
    """Return the dotted keys of a search space, including keys with faults."""
    return [key for key, _ in _flat(raw)]


def _flat(raw: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    entries: list[tuple[str, Any]] = []
    for key, entry in raw.items():
        if _is_group(entry):
            entries += _flat(entry, f"{prefix}{key}.")
        else:
            entries.append((f"{prefix}{key}", entry))
    return entries


def _is_group(entry: object) -> bool:
    # In a group every value is a mapping. The `type` of an expression is text. A `type` that is a
    # mapping is the name of a parameter, e.g. model.type.
    return (
        isinstance(entry, Mapping)
        and bool(entry)
        and all(isinstance(part, Mapping) for part in entry.values())
    )


def _expression(entry: object, where: str, logbase: float, faults: list[str]) -> Expression | None:
    known = ", ".join(EXPRESSIONS)
    if not isinstance(entry, Mapping):
        faults.append(
            f"{where}: must be a mapping with a type, got {shown(entry)}; "
            f"write {{type: choice, values: [...]}}, or use another type: {known}"
        )
        return None
    kind = entry.get("type")
    if not isinstance(kind, str) or kind not in EXPRESSIONS:
        near = did_you_mean(kind, EXPRESSIONS) if isinstance(kind, str) else ""
        faults.append(f"{where}.type: must be one of {known}, got {shown(kind)}{near}")
        return None
    part = Fields({name: value for name, value in entry.items() if name != "type"}, where)
    expression = _read(EXPRESSIONS[kind], part, logbase)
    faults += part.faults
    return None if part.faults else expression


def _read(kind: type[Expression], part: Fields, logbase: float) -> Expression | None:
    if kind is Choice:
        return _choice(part, logbase)
    if kind is Randint:
        part.only(["upper"], kind.type)
        part.required(["upper"], kind.type)
        upper = part.integer("upper", 1, _LARGEST_UPPER)
        return Randint(upper) if upper is not None else None
    names = [field.name for field in fields(kind) if field.name != "base"]
    reported = _take_logarithms(part, logbase) if issubclass(kind, LogUniform) else set()
    part.only(names, kind.type)
    part.required([name for name in names if name not in reported], kind.type)
    numbers = {name: part.number(name) for name in names}
    base = {"base": logbase} if issubclass(kind, LogUniform | LogNormal) else {}
    unread = {name for name, number in numbers.items() if number is None}
    expression = kind(**{**numbers, **{name: _STAND_INS[name] for name in unread}}, **base)
    for name, text in expression.faults():
        # A fault with an empty name compares several fields, but never q. Report such a fault only
        # if all compared fields were read.
        if name not in unread if name else unread <= {"q"}:
            part.fault(name, text)
    return expression


def _take_logarithms(part: Fields, logbase: float) -> set[str]:
    """Replace `low` and `high` by their logarithms, `min_value` and `max_value`.

    Returns:
        The fields that could not be computed, because `low` or `high` has a fault. This fault is
        already reported.
    """
    if not {"low", "high"} & set(part.raw):
        return set()
    extra = [name for name in ("min_value", "max_value") if name in part.raw]
    for name in extra:
        part.fault(
            name,
            "must not be given together with low and high, "
            f"got {shown(part.raw.pop(name))}; remove this key with ~{part.where}.{name}",
        )
    part.required(["low", "high"], "a pair of bounds")
    low, high = part.positive("low"), part.positive("high")
    for actual in ("low", "high"):
        part.raw.pop(actual, None)
    if low and high and low >= high:
        part.fault("", f"low must be below high, got {low:g} and {high:g}")
    if not (low and high and low < high):
        return {"min_value", "max_value"}
    # With a base below 1, the larger bound has the smaller logarithm.
    part.raw["min_value"], part.raw["max_value"] = sorted(
        math.log(bound) / math.log(logbase) for bound in (low, high)
    )
    return set()


def _choice(part: Fields, logbase: float) -> Choice | None:
    part.only(["values"], Choice.type)
    part.required(["values"], Choice.type)
    values = part.raw.get("values")
    if values is None:
        return None
    if not isinstance(values, list | tuple) or not values:
        part.fault("values", f"must be a list with at least one value, got {values!r}")
        return None
    return Choice(tuple(_option(value, index, part, logbase) for index, value in enumerate(values)))


def _option(value: object, index: int, part: Fields, logbase: float) -> Any:
    where = f"values[{index}]"
    if isinstance(value, Mapping) and _is_expression(value, logbase):
        part.fault(
            where,
            f"must not be an expression without a name, got {shown(value)}; "
            f"write {{NAME: {shown(value)}}}",
        )
        return None
    if isinstance(value, Mapping):
        return {
            str(name): _suboption(inner, f"{where}.{name}", part, logbase)
            for name, inner in value.items()
        }
    _check_plain(value, where, part)
    return value


def _is_expression(value: Mapping[Any, Any], logbase: float) -> bool:
    """Return whether a mapping is a valid expression.

    A mapping that is not an expression may also have a key `type`.
    """
    faults: list[str] = []
    return "type" in value and _expression(value, "", logbase, faults) is not None and not faults


def _suboption(value: object, name: str, part: Fields, logbase: float) -> Any:
    if isinstance(value, Mapping) and "type" in value:
        return _expression(value, f"{part.where}.{name}", logbase, part.faults)
    if isinstance(value, Mapping):
        part.fault(name, f"must be a value or an expression with a type, got {shown(value)}")
    else:
        _check_plain(value, name, part)
    return value


def _check_plain(value: object, where: str, part: Fields) -> None:
    if isinstance(value, bool):
        part.fault(
            where, f"must not be a boolean on Azure ML, got {value}; write {str(value).lower()!r}"
        )
    elif not isinstance(value, int | float | str):
        part.fault(where, f"must be a number, a string or a mapping, got {shown(value)}")
    elif isinstance(value, float) and not math.isfinite(value):
        part.fault(where, f"must be a finite number, got {shown(value)}")
    elif isinstance(value, int) and abs(value) > sys.float_info.max:
        part.fault(where, f"must be a number up to {sys.float_info.max:g}, got a larger number")
    elif isinstance(value, str) and "\0" in value:
        part.fault(where, f"must not contain a null character, got {value!r}")
