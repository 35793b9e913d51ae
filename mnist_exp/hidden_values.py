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
VARIABLES = ("job.environment_variables", "endpoint.deployment.environment_variables")

#: Values that are shown: at most three characters, e.g. a log level, and plain interpolations. The
#: default value of an interpolation may be a secret.
_SHOWN = re.compile(r".{0,3}|(\$\{(oc\.env:)?[\w.]+\})+", re.DOTALL)
#: Names that an interpolation can contain.
_NAME = re.compile(r"[\w.-]+", re.ASCII)


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
