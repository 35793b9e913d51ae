"""The arguments of the command line: Hydra's flags and overrides.

A flag between two overrides makes Hydra's parser fail with a long usage message. So flags come
first. https://hydra.cc/docs/advanced/hydra-command-line-flags
"""

from collections.abc import Sequence

from mnist_exp.errors import ConfigError

#: Flags that need a value.
_VALUED = {
    *("--config-dir", "-cd", "--config-name", "-cn", "--config-path", "-cp"),
    *("--cfg", "-c", "--package", "-p", "--experimental-rerun"),
}
#: Flags that may have a value, which is never an override.
_PERHAPS_VALUED = {"--info", "-i"}
#: Flags without a value.
_ALONE = {
    *("--help", "-h", "--hydra-help", "--version", "--multirun", "-m", "--run", "-r"),
    *("--resolve", "--shell-completion", "-sc"),
}


def flags_and_overrides(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return Hydra's flags with their values, and the overrides.

    Raises:
        ConfigError: Hydra does not have a flag, or a flag lacks its value.
    """
    flags: list[str] = []
    overrides: list[str] = []
    faults: list[str] = []
    rest = list(arguments)
    while rest:
        word = rest.pop(0)
        name, has_value = word.partition("=")[0], "=" in word
        if not word.startswith("-"):
            overrides.append(word)
        elif name in _ALONE or (has_value and name in _VALUED):
            flags.append(word)
        elif name in _PERHAPS_VALUED:
            flags.append(word)
            if rest and "=" not in rest[0] and not rest[0].startswith("-"):
                flags.append(rest.pop(0))
        elif name not in _VALUED:
            faults.append(_unknown(word, rest))
        elif rest:
            flags += [word, rest.pop(0)]
        else:
            faults.append(f"{word}: needs a value after it")
    if faults:
        raise ConfigError(faults)
    return flags, overrides


def _unknown(word: str, rest: list[str]) -> str:
    """Return the fault of an unknown flag; drop the word in `rest` that seems to be its value."""
    key, _, value = word.lstrip("-").partition("=")
    if not value and rest and not rest[0].startswith("-") and "=" not in rest[0]:
        value = rest.pop(0)
    return (
        f"{word}: no such flag; write values without dashes, {key}={value or '...'}, "
        "and mnist-exp --hydra-help lists the flags"
    )


def override_key(override: str) -> str:
    """Return the key or the config group that an override sets."""
    return override.partition("=")[0].lstrip("+~")
