"""Which commands are plain calls of a Python script, so that a fork can run them."""

import re
import shlex
from collections.abc import Mapping

#: Text that means the same to a shell as to `shlex.split`, outside of single quotes.
_PLAIN = re.compile(r"[\w@%+=:,./\-\s]*", re.ASCII)
_QUOTED = re.compile(r"'[^']*'")
#: Variables that Python reads before any of our code runs.
_EARLY = "PYTHON"
_HARMLESS = frozenset({"PYTHONUNBUFFERED", "PYTHONIOENCODING", "PYTHONHASHSEED"})


def python_call(command: str, environment: Mapping[str, str]) -> list[str] | None:
    """Return the script and its arguments of `python SCRIPT.py ...`.

    None for everything else: another program, options of Python's own, anything that a shell
    would have to work out, and variables that change how Python itself starts.
    """
    if any(name.startswith(_EARLY) and name not in _HARMLESS for name in environment):
        return None
    # A quote within a word is written '"'"' by shlex.quote.
    bare = _QUOTED.sub("", command.replace('"\'"', ""))
    if not _PLAIN.fullmatch(bare) or "\n" in bare:
        return None
    words = shlex.split(command)
    if len(words) < 2 or words[0] not in {"python", "python3"} or not words[1].endswith(".py"):
        return None
    return words[1:] if not words[1].startswith("-") else None
