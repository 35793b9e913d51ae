"""Command templates: `{{inputs.x}}`, `{{outputs.x}}`, `{{search_space.x}}`, `[[optional]]`.

Azure ML writes `${{inputs.x}}` and `$[[...]]`. Hydra would read the dollar sign as an
interpolation, so config files leave it out. Double brackets without a reference inside are bash's
own test (`[[ -f model.h5 ]]`) and do not change. Use `test ...` for a bash test of a reference.
https://learn.microsoft.com/azure/machine-learning/reference-yaml-job-command
"""

import math
import re
from collections.abc import Callable, Mapping
from decimal import Decimal

from mnist_exp.sweeps.space.keys import azure_name

_REFERENCE = re.compile(r"\{\{\s*(inputs|outputs|search_space)\.([A-Za-z_][A-Za-z0-9_.]*)\s*\}\}")
_OPTIONAL = re.compile(r"\[\[(.*?)\]\]", re.DOTALL)
_MISREAD = re.compile(r"\{\{\s*[A-Za-z_][\w.-]*\s*\}\}")
# In bash's own test a blank follows the brackets.
_UNCLOSED = re.compile(r"\[\[[^\s\[]\S*")


def references(command: str) -> dict[tuple[str, str], bool]:
    """Return each (kind, name) that the command refers to, and whether a value is required.

    A name is not required if all its references stand inside `[[...]]`.
    """
    required = {match.groups() for match in _REFERENCE.finditer(_OPTIONAL.sub("", command))}
    every = {match.groups() for match in _REFERENCE.finditer(command)}
    return {(str(kind), str(name)): (kind, name) in required for kind, name in every}


def unreadable(command: str) -> list[str]:
    """Return the parts of a command that are probably misspelt references.

    These are words in double braces that begin with a letter (`{{input.x}}`, `{{x}}`) and optional
    parts that are not closed. Templates of other programs (`{{.Names}}`) are left out.
    """
    rest = _REFERENCE.sub("", command)
    unclosed = _UNCLOSED.findall(_OPTIONAL.sub("", command))
    return [*_MISREAD.findall(rest), *(f"{part}..." for part in unclosed)]


def swept(command: str, names: Mapping[str, str]) -> str:
    """Turn `{{inputs.x}}` into `{{search_space.key}}` for each swept input, as the SDK does.

    Args:
        command: The template.
        names: Input -> its key in the search space, usually the same name.
    """

    def replaced(match: re.Match[str]) -> str:
        kind, name = match.groups()
        is_swept = kind == "inputs" and name in names
        return f"{{{{search_space.{names[name]}}}}}" if is_swept else match[0]

    return _REFERENCE.sub(replaced, command)


def render(
    command: str, values: Mapping[tuple[str, str], str], quote: Callable[[str], str] = str
) -> str:
    """Fill in a command for a shell.

    Args:
        command: The template.
        values: (kind, name) -> text. An optional part is left out if one of its names is missing.
        quote: Applied to each inserted text. Azure ML inserts the text unchanged.

    Raises:
        KeyError: A required reference has no value.
    """

    def optional(match: re.Match[str]) -> str:
        named = {found.groups() for found in _REFERENCE.finditer(match[1])}
        if not named:
            return match[0]
        return match[1] if all(name in values for name in named) else ""

    def value(match: re.Match[str]) -> str:
        kind, name = match.groups()
        return quote(values[kind, name])

    return _REFERENCE.sub(value, _OPTIONAL.sub(optional, command))


def azure_command(command: str) -> str:
    """Return the command in Azure ML's spelling."""

    def optional(match: re.Match[str]) -> str:
        return f"${match[0]}" if _REFERENCE.search(match[1]) else match[0]

    def reference(match: re.Match[str]) -> str:
        name = azure_name(match[2]) if match[1] == "search_space" else match[2]
        return f"${{{{{match[1]}.{name}}}}}"

    return _REFERENCE.sub(reference, _OPTIONAL.sub(optional, command))


def literal_text(value: str | int | float | bool) -> str:
    """Return a value as text in the spelling of YAML and Azure ML, e.g. `true`."""
    return str(value).lower() if isinstance(value, bool) else _number_text(value)


def drawn_text(value: object) -> str:
    """Return a drawn value as the text that a trial gets; whole numbers have no fraction.

    Published runs on Azure ML show a quniform's 65.0 as `65` on the command line. Other expressions
    use the same rule, so that the text depends only on the value.
    """
    text = _number_text(value)
    return text.removesuffix(".0") if isinstance(value, float) else text


def _number_text(value: object) -> str:
    # argparse reads -5e-05 as an option of the script, but -0.00005 as a number.
    is_misread = isinstance(value, float) and value < 0 and math.isfinite(value)
    return f"{Decimal(str(value)):f}" if is_misread else str(value)
