"""Hydra stops at the first override that does not fit its key: the rest is checked without it."""

import re
import sys
from collections.abc import Callable, Sequence

from hydra.errors import OverrideParseException

from mnist_exp.cli.arguments import override_key
from mnist_exp.cli.hydra_errors import explain, is_foreign

#: Has the callback tell what is wrong, and end there.
ONLY_FAULTS = "++hydra.callbacks.check.only_faults=true"
#: Flags with which a command still runs a stage once.
_HARMLESS = {"--config-dir", "-cd", "--config-name", "-cn", "--config-path", "-cp", "--run", "-r"}
#: How Hydra names the override, or its key, that it stopped at.
_NAMED = (
    re.compile(r"Error merging override (.*)"),
    re.compile(r"Could not override '([^']+)'"),
    re.compile(r"Could not delete from config\. '([^']+)'"),
    re.compile(r"Could not append to config\. An item is already at '([^']+)'"),
)


class FaultsFound(SystemExit):
    """Leaves Hydra, which swallows any `Exception` of a callback, with what was found."""

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__(1)
        self.faults = tuple(faults)


def all_faults(error: BaseException, compose: Callable[[], None]) -> list[str]:
    """Return a line for what Hydra stopped at, and for each fault of the command without it.

    Args:
        error: What Hydra raised.
        compose: Has Hydra read `sys.argv` again.
    """
    told, keys, words = [explain(error)], set(), list(sys.argv[1:])
    while override := _override(error, words):
        words.remove(override)
        keys.add(override_key(override))
        sys.argv[1:] = [*words, ONLY_FAULTS]
        try:
            compose()
        except FaultsFound as found:
            # What stood for a value that could not be read has no faults of its own.
            return told + [line for line in found.faults if line.partition(":")[0] not in keys]
        except Exception as next_error:
            if not is_foreign(next_error):
                raise
            error = next_error
            told.append(explain(error))
    return told


def _override(error: BaseException, words: Sequence[str]) -> str | None:
    """Return the override that Hydra stopped at, if the others mean something without it."""
    flags = {word.partition("=")[0] for word in words if word.startswith("-")}
    if not flags <= _HARMLESS:
        return None
    if isinstance(error, OverrideParseException):
        named = str(error.override)
    else:
        found = filter(None, (pattern.search(str(error)) for pattern in _NAMED))
        named = next((match[1] for match in found), "")
    keys = {word: override_key(word) for word in words}
    return next(
        (word for word, key in keys.items() if key != "stage" and named in (word, key)), None
    )
