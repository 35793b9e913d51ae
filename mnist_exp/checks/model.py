"""Checks of the model group, and of the values that a sweep may draw for the model."""

import math
from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from typing import Any

from mnist_exp.config import Architecture, ExperimentConfig, Optimizer

#: Maximum of each whole number in the model group. A larger number is a typing error, or too large
#: for the trainer's 32-bit integers.
_MAX_COUNT = 1_000_000
#: Smallest and largest positive float32 number. The trainer computes with float32.
_MIN_FLOAT, _MAX_FLOAT = 1.2e-38, 3.4e38


def model_faults(config: ExperimentConfig) -> Iterator[str]:
    """Yield one line for each value of the model group that breaks its rule."""
    for name in _RULES:
        value = getattr(config.model, name)
        if rule := value_rule(name, value):
            hint = "; the tutorial uses 0.01" if name == "learning_rate" else ""
            yield f"model.{name}: must be {rule}, got {value}{hint}"


def model_field(key: str, sources: Mapping[str, str]) -> str | None:
    """Return the field of the model group that a search-space key sets, or None.

    A key without a dot is the name of a job input. Such a key sets the field from which the input
    gets its value. A dotted key (`model.batch_size`) is the config key of the field.

    Args:
        key: A key of the search space.
        sources: Input name -> the config key that the value of the input comes from.
    """
    field = sources.get(key, key).removeprefix("model.")
    return field if field in _RULES and (key in sources or key != field) else None


def value_rule(name: str, value: Any) -> str | None:
    """Return the rule that a value of a field breaks, or None for a valid value.

    A text such as `64` also counts as a number, and a float such as `64.0` also counts as a whole
    number. The trainer accepts such texts and floats.
    """
    rule, is_valid = _RULES[name]
    if is_valid is _is_count and number_of(value) > _MAX_COUNT:
        return f"at most {_MAX_COUNT}"
    if not is_valid(value):
        return rule
    if is_valid is _is_positive and not _MIN_FLOAT <= number_of(value) <= _MAX_FLOAT:
        return f"from {_MIN_FLOAT} to {_MAX_FLOAT}, the range of float32"
    return None


def share_rule(batch_size: Any, workers: int) -> str | None:
    """Return a rule if the workers cannot share a batch equally, None otherwise."""
    if workers < 1 or not _is_count(batch_size) or number_of(batch_size) % workers == 0:
        return None
    return (
        f"a multiple of job.distribution.worker_count ({workers}), "
        "so that all workers get equal shares of a batch"
    )


def number_of(value: Any) -> float:
    """Return a value as a number, or NaN if the value is not a number."""
    try:
        return math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        return math.nan


def _is_count(value: Any) -> bool:
    number = number_of(value)
    return number.is_integer() and number >= 1


def _is_positive(value: Any) -> bool:
    number = number_of(value)
    return math.isfinite(number) and number > 0


def _one_of(kind: type[StrEnum]) -> tuple[str, Callable[[Any], bool]]:
    return f"one of {', '.join(kind)}", lambda value: value in set(kind)


_COUNT = ("a whole number of at least 1", _is_count)
_RULES: Mapping[str, tuple[str, Callable[[Any], bool]]] = {
    "first_layer_neurons": _COUNT,
    "second_layer_neurons": _COUNT,
    "batch_size": _COUNT,
    "epochs": _COUNT,
    "learning_rate": ("a finite number above 0", _is_positive),
    "architecture": _one_of(Architecture),
    "optimizer": _one_of(Optimizer),
}
