"""The arguments of the command line: Hydra's flags and overrides.

If a flag is between two overrides, Hydra's parser fails with a long usage message. Therefore we
move all flags before the overrides. https://hydra.cc/docs/advanced/hydra-command-line-flags
"""

import os
import shlex
from collections.abc import Iterator, Sequence
from itertools import pairwise

from mnist_exp.cli.schema_keys import closest, meant_keys, type_at
from mnist_exp.config import Stage
from mnist_exp.errors import ConfigError

#: Flags that need a value.
_WITH_VALUE = {
    *("--config-dir", "-cd", "--config-name", "-cn", "--config-path", "-cp"),
    *("--cfg", "-c", "--package", "-p", "--experimental-rerun"),
}
#: Flag -> its valid values.
_CHOICES = {
    **dict.fromkeys(("--cfg", "-c"), ("job", "hydra", "all")),
    **dict.fromkeys(
        ("--info", "-i"), ("all", "config", "defaults", "defaults-tree", "plugins", "searchpath")
    ),
}
#: Flags that may have a value. If the next word contains `=`, the word is an override, not a value.
_PERHAPS_VALUED = {"--info", "-i"}
#: Flags without a value.
_WITHOUT_VALUE = {
    *("--help", "-h", "--hydra-help", "--version", "--multirun", "-m", "--run", "-r"),
    *("--resolve", "--shell-completion", "-sc"),
}
#: Flags with which Hydra prints something and calls no task function.
_PRINTING = {
    *("--help", "-h", "--hydra-help", "--version", "--cfg", "-c", "--info", "-i"),
    *("--shell-completion", "-sc"),
}


def flags_and_overrides(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return Hydra's flags with their values, and the overrides.

    Raises:
        ConfigError: An argument is not UTF-8 text, a flag does not exist in Hydra, or a flag that
            needs a value has no value.
    """
    if broken := [word.partition("=")[0] for word in arguments if not is_utf8(word)]:
        rule = "the argument must be UTF-8 text; correct the bytes of the argument"
        raise ConfigError([f"{name!r}: {rule}" for name in broken])
    flags: list[str] = []
    overrides: list[str] = []
    faults: list[str] = []
    rest = list(arguments)
    while rest:
        word = rest.pop(0)
        name, has_value = word.partition("=")[0], "=" in word
        if not word.startswith("-"):
            if fault := _not_an_override(word, rest):
                faults.append(fault)
            else:
                overrides.append(word)
        elif name in _WITHOUT_VALUE or (has_value and name in _WITH_VALUE):
            flags.append(word)
        elif name in _PERHAPS_VALUED:
            flags.append(word)
            if rest and "=" not in rest[0] and not rest[0].startswith("-"):
                flags.append(rest.pop(0))
        elif name not in _WITH_VALUE:
            faults.append(_unknown(word, rest))
        elif rest:
            flags += [word, rest.pop(0)]
        else:
            faults.append(f"{word}: needs a value; write {word} VALUE")
    faults += _unknown_choices(flags)
    faults += _outside_completion(flags, overrides)
    if faults:
        raise ConfigError(faults)
    return flags, overrides


def _unknown_choices(flags: Sequence[str]) -> Iterator[str]:
    words = [word for flag in flags for word in flag.split("=", 1)]
    for flag, value in pairwise(words):
        if flag in _CHOICES and not value.startswith("-") and value not in _CHOICES[flag]:
            yield f"{flag}: must be one of {', '.join(_CHOICES[flag])}, got {value}"


def _outside_completion(flags: Sequence[str], overrides: Sequence[str]) -> Iterator[str]:
    """Yield a fault if the command is a query for completion, which only a shell should send."""
    if is_completion_query(flags, overrides) and "COMP_LINE" not in os.environ:
        yield (
            "-sc: only a shell may use query=, with COMP_LINE set; to install the completion, run "
            'eval "$(mnist-exp -sc install=bash)"'
        )


def only_prints(flags: Sequence[str]) -> bool:
    """Return whether Hydra prints something because of a flag, and runs no stage."""
    return any(flag.partition("=")[0] in _PRINTING for flag in flags)


def is_completion_query(flags: Sequence[str], overrides: Sequence[str]) -> bool:
    """Return whether the command asks for the completion of a command line."""
    is_query = any(override.startswith("query=") for override in overrides)
    return is_query and bool({"-sc", "--shell-completion"} & {*flags})


def _not_an_override(word: str, rest: list[str]) -> str | None:
    """Return the message for a word that cannot be an override; None if the word may be one.

    If the next word in `rest` is the value of the word, the value is removed from `rest`.
    """
    if not override_key(word):
        return f"{word!r}: must begin with a key; write key=value"
    if f"--{word}" in ("--help", "--version"):
        return f"{word}: must be written as a flag; run mnist-exp --{word}"
    has_value = rest and "=" not in rest[0] and not rest[0].startswith("-")
    if has_value and type_at(word) and word not in [stage.value for stage in Stage]:
        value = rest.pop(0)
        return f"{word} {value}: must be one word; write {_override(word, value)}"
    return None


def _unknown(word: str, rest: list[str]) -> str:
    """Return the message for an unknown flag.

    If the next word in `rest` is probably the value of the flag, the word is removed from `rest`.
    """
    key, _, value = word.lstrip("-").partition("=")
    if not value and rest and not rest[0].startswith("-") and "=" not in rest[0]:
        value = rest.pop(0)
    return (
        f"{word}: no such flag; to set a key, write {_override(key, value)} without dashes; "
        "to list the flags, run mnist-exp --hydra-help"
    )


def _override(key: str, value: str) -> str:
    """Return the override that the user probably means by a flag with this name."""
    stage = closest(key, [stage.value for stage in Stage])
    if stage and not value:
        return f"stage={stage}"
    keys = [] if type_at(key) else meant_keys(key)
    meant = keys[0] if len(keys) == 1 else key
    return shlex.quote(f"{meant}={value}") if value else f"{meant}=..."


def is_utf8(text: str) -> bool:
    """Return whether a text from outside can be written as UTF-8.

    Python reads each other byte of an argument, a variable or a path as a surrogate.
    """
    return all(not 0xD800 <= ord(letter) <= 0xDFFF for letter in text)


def override_key(override: str) -> str:
    """Return the key or the config group that an override sets."""
    return override.partition("=")[0].lstrip("+~")
