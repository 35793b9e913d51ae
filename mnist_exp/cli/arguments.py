"""The words of the command line, in the order that Hydra's parser needs, and its faults.

Hydra's parser takes overrides in one piece only: a flag between two of them makes it give up,
with a usage message of many lines. Its flags: https://hydra.cc/docs/advanced/hydra-command-line-flags
"""

from collections.abc import Sequence

from mnist_exp.errors import ConfigError

#: Flags with a value of their own.
_VALUED = {
    *("--config-dir", "-cd", "--config-name", "-cn", "--config-path", "-cp"),
    *("--cfg", "-c", "--package", "-p", "--experimental-rerun"),
}
#: `--info` may have one, which is never an override.
_PERHAPS_VALUED = {"--info", "-i"}
_ALONE = {
    *("--help", "-h", "--hydra-help", "--version", "--multirun", "-m", "--run", "-r"),
    *("--resolve", "--shell-completion", "-sc"),
}


def ordered(words: Sequence[str]) -> list[str]:
    """Return the words with flags, and their values, before all overrides.

    Raises:
        ConfigError: There are flags that Hydra does not have, or one lacks its value.
    """
    flags: list[str] = []
    overrides: list[str] = []
    faults: list[str] = []
    rest = list(words)
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
            faults.append(f"{word}: needs a value behind it")
    if faults:
        raise ConfigError(faults)
    return [*flags, *overrides]


def _unknown(word: str, rest: list[str]) -> str:
    """Return what is wrong with a flag; the word behind it may have been meant as its value."""
    key, _, value = word.lstrip("-").partition("=")
    if not value and rest and not rest[0].startswith("-") and "=" not in rest[0]:
        value = rest.pop(0)
    return (
        f"{word}: no such flag; values are given without dashes, {key}={value or '...'}, "
        "and mnist-exp --hydra-help lists the flags"
    )


def override_key(override: str) -> str:
    """Return the key, or the group, that an override is for."""
    return override.partition("=")[0].lstrip("+~")
