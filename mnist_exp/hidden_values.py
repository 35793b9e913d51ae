"""Keep the values of environment variables out of records, files and messages.

People put secrets into the environment variables of a job or a deployment. In place of a value, a
record contains the interpolation `${oc.env:NAME}`. A command that repeats the run then reads the
value from its own environment.

Only the values of the keys in `VARIABLES` are hidden. Other values never change, even if they
contain the same text.
"""

import re
from collections.abc import Mapping
from typing import Any

#: The config keys of environment variables.
VARIABLES = (
    "job.environment_variables",
    "endpoint.deployment.environment_variables",
    # The same keys of a job file: of a command job and of the trial of a sweep.
    "set.environment_variables",
    "set.trial.environment_variables",
)

#: Values that are shown: at most three characters, e.g. a log level, and plain interpolations. The
#: default value of an interpolation may be a secret.
_SHOWN = re.compile(r".{0,3}|(\$\{(oc\.env:)?[\w.]+\})+", re.DOTALL)
#: Names that an interpolation can contain.
_NAME = re.compile(r"[\w.-]+", re.ASCII)
#: A name that a dotted key can contain, and the parts of a config key in OmegaConf's spelling.
_PLAIN_NAME = re.compile(r"[^.\[\]]+")
_PARTS = re.compile(r"([^.\[\]]+)|\[([^\]]*)\]")


def shown_value(name: str, written: Any) -> Any:
    """Return what is shown in place of the value of a variable.

    Args:
        name: The name of the variable.
        written: The value as written in the config, which may be an interpolation.
    """
    if written is None or _SHOWN.fullmatch(str(written)):
        return written
    return f"${{oc.env:{name}}}" if _NAME.fullmatch(name) else "hidden"


def shown_values(variables: Mapping[str, Any]) -> dict[str, Any]:
    """Return variable -> what is shown in place of its value."""
    return {name: shown_value(name, written) for name, written in variables.items()}


def variable_name(key: str) -> str | None:
    """Return the name of the environment variable that a dotted key sets; None for other keys."""
    for mapping in VARIABLES:
        if key.startswith(f"{mapping}."):
            return key.removeprefix(f"{mapping}.")
    return None


def key_below(key: str, name: str) -> str:
    """Return the config key of a value in a mapping, e.g. `a.b`, or `a[b.c]` for the name `b.c`."""
    if not _PLAIN_NAME.fullmatch(name):
        return f"{key}[{name}]"
    return f"{key}.{name}" if key else name


def key_names(key: str) -> list[str]:
    """Return the names and indices in a config key, e.g. `a`, `b.c` and `0` of `a[b.c][0]`."""
    return [plain or quoted for plain, quoted in _PARTS.findall(key)]
