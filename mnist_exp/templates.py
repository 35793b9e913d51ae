"""Command templates: `{{inputs.x}}`, `{{outputs.x}}`, `{{search_space.x}}`, `$[[optional]]`.

Azure ML writes `${{inputs.x}}`. Our config files omit this dollar sign, because Hydra would read
`${...}` as an interpolation. An optional part has Azure ML's spelling, `$[[--x {{inputs.x}}]]`.
Double brackets without a dollar sign, e.g. `[[ {{inputs.flag}} == true ]]`, are a condition in
bash. The references in a condition are replaced, and the brackets stay.
https://learn.microsoft.com/azure/machine-learning/reference-yaml-job-command
"""

import math
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from mnist_exp.sweeps.space.keys import azure_name

_REFERENCE = re.compile(r"\{\{\s*(inputs|outputs|search_space)\.([A-Za-z_][A-Za-z0-9_.]*)\s*\}\}")
#: A text that Hydra reads as it is, without quotes.
#: A text that Hydra would read as a number, a boolean or null, if the text were not in quotes.
NOT_TEXT = re.compile(r"[-+]?\.?\d[\w.+-]*|[-+]?(inf|nan)|true|false|null", re.I | re.ASCII)
#: A reference of OmegaConf, and the backslashes before it.
_INTERPOLATION = re.compile(r"(\\*)\$\{")
_HYDRA_PLAIN = re.compile(r"[\w./+@:-]*", re.ASCII)
_PIPE = re.compile(r"(?<!\|)\|(?!\|)")
_OPTIONAL = re.compile(r"\$\[\[(.*?)\]\]", re.DOTALL)
_MISREAD = re.compile(r"\{\{\s*[A-Za-z_][\w.-]*\s*\}\}")
_UNCLOSED = re.compile(r"\$\[\[\S*")
# An optional part whose dollar sign is missing. The pattern must not match a bash condition such as
# `[[ -f FILE ]]`, or a character class such as `[[:space:]]`.
_WITHOUT_DOLLAR = re.compile(r"\[\[(?=\s*(?:--|-\w{2})|(?!\s)[^\]]*\{\{)\s*\S*")


def references(command: str) -> dict[tuple[str, str], bool]:
    """Return a mapping (kind, name) -> whether a value is required, for all references.

    The kind is `inputs`, `outputs` or `search_space`. A value is not required if all references
    to the name are inside `$[[...]]`.
    """
    required = {match.groups() for match in _REFERENCE.finditer(_OPTIONAL.sub("", command))}
    every = {match.groups() for match in _REFERENCE.finditer(command)}
    return {(str(kind), str(name)): (kind, name) in required for kind, name in every}


def unreadable(command: str) -> list[str]:
    """Return the parts of a command that are probably misspelt references.

    The function returns words in double braces that begin with a letter (`{{input.x}}`, `{{x}}`),
    and optional parts without closing brackets, without a reference, or without their dollar sign.
    The function does not return templates of other programs (`{{.Names}}`).
    """
    words = _MISREAD.findall(_REFERENCE.sub("", command))
    optional = list(_OPTIONAL.finditer(command))
    empty = [match[0] for match in optional if not _REFERENCE.search(match[1])]
    rest = _OPTIONAL.sub("", command)
    broken = [*_UNCLOSED.findall(rest), *_WITHOUT_DOLLAR.findall(_UNCLOSED.sub("", rest))]
    return [*words, *empty, *(f"{part.strip()}..." for part in broken)]


def swept(command: str, names: Mapping[str, str]) -> str:
    """Replace `{{inputs.x}}` by `{{search_space.key}}` for each swept input, like Azure's SDK.

    Args:
        command: The template.
        names: Input name -> the key in the search space, usually the same name.
    """

    def replaced(match: re.Match[str]) -> str:
        kind, name = match.groups()
        is_swept = kind == "inputs" and name in names
        return f"{{{{search_space.{names[name]}}}}}" if is_swept else match[0]

    return _REFERENCE.sub(replaced, command)


def render(
    command: str, values: Mapping[tuple[str, str], str], quote: Callable[[str], str] = str
) -> str:
    """Replace the references in a command by their values, and return the command for a shell.

    Args:
        command: The template.
        values: (kind, name) -> text. If an optional part contains a name that `values` does not
            contain, the part is omitted.
        quote: Function that quotes each inserted text. The default changes no text, as on Azure
            ML.

    Raises:
        KeyError: A required reference has no value.
    """

    def optional(match: re.Match[str]) -> str:
        named = {found.groups() for found in _REFERENCE.finditer(match[1])}
        return match[1] if all(name in values for name in named) else ""

    def value(match: re.Match[str]) -> str:
        kind, name = match.groups()
        return quote(values[kind, name])

    return _REFERENCE.sub(value, _OPTIONAL.sub(optional, command))


def azure_command(command: str) -> str:
    """Return the command in Azure ML's spelling, with `${{...}}`."""

    def reference(match: re.Match[str]) -> str:
        name = azure_name(match[2]) if match[1] == "search_space" else match[2]
        return f"${{{{{match[1]}.{name}}}}}"

    return _REFERENCE.sub(reference, command)


def has_pipe(command: str) -> bool:
    """Return whether a shell command has a pipe.

    Without `pipefail`, the exit code of a pipe is the exit code of its last command.
    """
    return _PIPE.search(command) is not None


def escaped_text(content: Any) -> Any:
    """Return the content with each `${` escaped.

    A saved config and a job file contain values, not references. A `${` in a value is therefore
    plain text.
    """
    if isinstance(content, Mapping):
        return {name: escaped_text(part) for name, part in content.items()}
    if isinstance(content, list):
        return [escaped_text(part) for part in content]
    return _INTERPOLATION.sub(r"\1\1\\${", content) if isinstance(content, str) else content


def hydra_text(text: str) -> str:
    """Return a text as a value in Hydra's override grammar.

    https://hydra.cc/docs/advanced/override_grammar/basic
    """
    if _HYDRA_PLAIN.fullmatch(text):
        return text
    escaped = re.sub(r"(\\*)(?='|$)", r"\1\1", text).replace("'", "\\'")
    return f"'{escaped}'"


def hydra_string(text: str) -> str:
    """Return a text as a value that Hydra does not read as a number, a boolean or null."""
    return f"'{text}'" if NOT_TEXT.fullmatch(text) else hydra_text(text)


def literal_text(value: str | int | float | bool) -> str:
    """Return a value as text in the spelling of YAML and Azure ML, e.g. `true`."""
    return str(value).lower() if isinstance(value, bool) else _number_text(value)


def drawn_text(value: object) -> str:
    """Return the text that a trial gets for a drawn value. Whole numbers have no fraction.

    In published runs on Azure ML, a quniform expression draws 65.0 and the command line contains
    `65`. We write the values of all expressions in this way, so that the text depends only on the
    value.
    """
    text = _number_text(value)
    return text.removesuffix(".0") if isinstance(value, float) else text


def _number_text(value: object) -> str:
    # argparse reads -5e-05 as an option of the script, but -0.00005 as a number.
    is_misread = isinstance(value, float) and value < 0 and math.isfinite(value)
    return f"{Decimal(str(value)):f}" if is_misread else str(value)
