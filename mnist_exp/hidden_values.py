"""Keep the values of environment variables out of records, files and messages.

People put secrets into the environment variables of a job or a deployment. In place of a value, a
record contains the interpolation `${oc.env:NAME}`. A command that repeats the run then reads the
value from its own environment. An interpolation that the user wrote is kept.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

#: The config keys of environment variables.
VARIABLES = ("job.environment_variables", "endpoint.deployment.environment_variables")

#: Values that are shown: short words such as `yes` and `true`, and short numbers such as `1.50`.
_SHOWN = re.compile(r".{0,3}|[\d._+-]{4,5}|(?i:true|false)", re.DOTALL)
#: A value that consists of interpolations. A default value in an interpolation may be a secret.
_INTERPOLATIONS = re.compile(r"(\$\{[^{},]*\})+")


@dataclass(frozen=True)
class HiddenValues:
    """The values that must not be shown.

    Attributes:
        shown: Hidden value -> the text that is shown in its place.
    """

    shown: Mapping[str, str] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, variables: Mapping[str, tuple[str, str]]) -> "HiddenValues":
        """Return the hidden values among environment variables.

        Args:
            variables: Name -> (value as written, value). The value as written may be an
                interpolation.
        """
        shown = {
            value: shown_value(name, written)
            for name, (written, value) in variables.items()
            if not _SHOWN.fullmatch(value)
        }
        # Replace the longest value first, because a value may contain another value.
        return cls(dict(sorted(shown.items(), key=lambda pair: -len(pair[0]))))

    def text(self, text: str) -> str:
        """Return a text without the hidden values."""
        for value, shown in self.shown.items():
            for written in {value, *_quoted(value)}:
                text = text.replace(written, shown)
        return text

    def content(self, content: Any) -> Any:
        """Return a value of JSON or YAML without the hidden values."""
        if isinstance(content, Mapping):
            return {name: self.content(part) for name, part in content.items()}
        if isinstance(content, list | tuple):
            return [self.content(part) for part in content]
        return self.text(content) if isinstance(content, str) else content

    def override(self, override: str) -> str:
        """Return an override without the hidden values."""
        key, equals, value = override.partition("=")
        for mapping in VARIABLES:
            name = key.lstrip("+").removeprefix(f"{mapping}.")
            if equals and name != key.lstrip("+"):
                return f"{key}={shown_value(name, value.strip())}"
        return self.text(override)


def shown_value(name: str, written: str) -> str:
    """Return the text that is shown in place of the value of a variable.

    Args:
        name: The name of the variable.
        written: The value as written in the config, which may be an interpolation.
    """
    is_shown = _SHOWN.fullmatch(written.strip("'\"")) or _INTERPOLATIONS.fullmatch(written)
    return written if is_shown else f"${{oc.env:{name}}}"


def is_variable(path: str) -> bool:
    """Return whether a dotted key names an environment variable."""
    return path.startswith(tuple(f"{mapping}." for mapping in VARIABLES))


def _quoted(value: str) -> set[str]:
    """Return the value as it stands inside quotes in an override or in JSON."""
    escaped = value.replace("\\", "\\\\")
    return {
        escaped.replace("'", "\\'"),
        escaped.replace('"', '\\"'),
        json.dumps(value)[1:-1],
        json.dumps(value, ensure_ascii=False)[1:-1],
    }
