"""The correction of an override that Hydra cannot apply: the override that the user meant."""

import shlex
from collections.abc import Iterable, Mapping, Sequence
from enum import Enum

from hydra.errors import MissingConfigException, OverrideParseException

from mnist_exp.cli.hide_values import hidden_override
from mnist_exp.cli.hydra_errors import names_beside
from mnist_exp.cli.schema_keys import closest, keys_at, meant_keys, type_at
from mnist_exp.config import Stage


def correction(override: str, error: Exception | None = None) -> str | None:
    """Return the override that the user meant; None if this is unclear.

    Args:
        override: An override that Hydra cannot apply.
        error: The error that Hydra raised.
    """
    key, equals, value = override.lstrip("+").partition("=")
    if not equals:
        stage = closest(key, [stage.value for stage in Stage])
        return f"stage={stage}" if stage else None
    if isinstance(error, OverrideParseException):
        return None
    if isinstance(error, MissingConfigException):
        option = closest(value, [name for name in error.options or () if name])
        return f"{key}={option}" if option else None
    kind = type_at(key)
    if isinstance(kind, type) and issubclass(kind, Enum):
        member = closest(value, [member.value for member in kind])
        return f"{key}={member}" if member else None
    parent, _, name = key.rpartition(".")
    if keys_at(parent) is None:
        present = closest(name, names_beside(error)) if error else None
        return f"{parent}.{present}={value}" if present else None
    keys = [] if kind else meant_keys(key)
    return f"{keys[0]}={value}" if len(keys) == 1 else None


def with_corrections(
    faults: Sequence[str],
    corrections: Mapping[str, str],
    overrides: Iterable[str],
    flags: Iterable[str] | None,
) -> list[str]:
    """Return the lines of faults, with the remedy for each fault that has a correction.

    If all faults have a correction, the last remedy is the whole corrected command.

    Args:
        faults: The line of each fault.
        corrections: Line of a fault -> the correction of its override.
        overrides: The corrected overrides of the command.
        flags: Hydra's flags of the command; None for a call of the Python API, which has no
            command.
    """
    remedies = {
        line: f"write {shlex.quote(hidden_override(text))}" for line, text in corrections.items()
    }
    if flags is not None and all(line in remedies for line in faults):
        command = ["mnist-exp", *flags, *map(hidden_override, overrides)]
        remedies[faults[-1]] = f"run {shlex.join(command)}"
    return [f"{line}; {remedies[line]}" if line in remedies else line for line in faults]
