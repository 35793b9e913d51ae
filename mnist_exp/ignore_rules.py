"""The rules of an ignore file, as Azure's SDK applies them.

The rules decide which files of a code folder leave the user's machine, so they must exclude the
same files as azure-ai-ml (`IgnoreFile` in azure/ai/ml/_utils/_asset_utils.py). The SDK contains a
copy of an old version of pathspec. This copy differs from git and from newer versions of pathspec:

- The SDK removes white space at both ends of a line, e.g. a form feed.
- A rule that excludes a folder excludes the files below the folder. A later rule can include single
  files of the folder again.
- `[^a]` matches a caret or an `a`. An opening bracket without a closing bracket is a literal.
- The SDK resolves all links in the path of a file's folder, and in the path of the ignore file. The
  rules apply to the path of the file relative to the folder of the ignore file.
"""

import os
import re
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from mnist_exp.errors import JobError

#: The names of ignore files. Only the first of these files that exists is used.
_NAMES = (".amlignore", ".gitignore")
#: Regular expression for the files below a folder. The group matches the slash after the
#: folder's name.
_BELOW = "(?P<below>/).*"


@dataclass(frozen=True)
class _Rule:
    """A line of an ignore file.

    Attributes:
        regex: The regular expression for the paths that the rule concerns.
        excludes: True if the rule excludes these paths, False if the rule includes these paths
            again.
    """

    regex: re.Pattern[str]
    excludes: bool


class IgnoreRules:
    """The rules of the ignore file of a code folder.

    Args:
        base: The real path of the ignore file's folder. The rules are relative to this folder.
        rules: The rules. A later rule has a higher priority.
    """

    def __init__(self, base: str, rules: Sequence[_Rule]) -> None:
        self._base = base
        self._latest_first = tuple(reversed(rules))

    @classmethod
    def read(cls, source: Path) -> Self:
        """Return the rules of a code folder. Without an ignore file, there are no rules.

        Raises:
            JobError: The ignore file is not a text file in UTF-8, or has an invalid line.
        """
        path = ignore_file(source)
        if path is None:
            return cls(str(source.resolve()), [])
        return cls(str(path.resolve().parent), list(_rules(path)))

    def prefix(self, folder: str) -> str:
        """Return a folder's path relative to the ignore file, with a slash at the end.

        The text is empty for the folder of the ignore file. `exclude` and `exclude_all` take paths
        that begin with this text.

        Args:
            folder: The real path of the folder.
        """
        relative = os.path.relpath(folder, self._base)
        return "" if relative == os.curdir else f"{relative}/"

    def exclude(self, path: str) -> bool:
        """Return whether the rules exclude a file."""
        return next((r.excludes for r in self._latest_first if r.regex.match(path)), False)

    def exclude_all(self, folder: str) -> bool:
        """Return whether the rules exclude every file below a folder, whatever the file's name is.

        The result does not hold for names with a line break, which the rules treat differently.

        Args:
            folder: The path of the folder, with a slash at the end.
        """
        for rule in self._latest_first:
            if not rule.excludes:
                return False
            if (found := rule.regex.match(folder)) and found["below"] is not None:
                return True
        return False


def ignore_file(source: Path) -> Path | None:
    """Return the ignore file of a code folder; None if the folder has no ignore file."""
    return next((source / name for name in _NAMES if (source / name).exists()), None)


def _rules(path: Path) -> Iterator[_Rule]:
    if not path.is_file():
        raise JobError(f"{path}: must be a text file, as every ignore file; rename or delete it")
    try:
        # Python reads CR and CRLF as line ends, too. Other separators, e.g. U+2028, end no line.
        with path.open(encoding="utf-8-sig") as file:
            lines = list(file)
    except UnicodeDecodeError as error:
        raise JobError(
            f"{path}: must be a text file in UTF-8 ({error.reason}); save the file in UTF-8"
        ) from error
    except OSError as error:
        raise JobError(f"{path}: must be readable ({os.strerror(error.errno or 0)})") from error
    for number, line in enumerate(lines, 1):
        pattern = line.strip()
        if not pattern or pattern.startswith("#") or pattern == "/":
            continue
        try:
            yield _rule(pattern)
        except (ValueError, re.error) as error:
            raise JobError(
                f"{path}: line {number} must be a pattern that Azure's SDK can read, "
                f"got {pattern!r} ({error}); change or delete the line"
            ) from error


def _rule(pattern: str) -> _Rule:
    """Return the rule of a line of an ignore file.

    Raises:
        ValueError: The pattern is invalid.
        re.error: The pattern contains an invalid range, e.g. `[z-a]`.
    """
    excludes = not pattern.startswith("!")
    segments = pattern.removeprefix("!").split("/")
    with warnings.catch_warnings():
        # Python warns about brackets whose meaning a later version may change, e.g. `[[a]`.
        warnings.simplefilter("ignore", FutureWarning)
        return _Rule(re.compile(f"^{_regex(_without_repeats(segments))}$"), excludes)


def _without_repeats(segments: Sequence[str]) -> list[str]:
    """Replace each sequence of `**` by one `**`."""
    pairs = zip(["", *segments], segments, strict=False)
    return [each for previous, each in pairs if not previous == each == "**"]


def _regex(segments: list[str]) -> str:
    """Return the regular expression of a pattern that was split at its slashes."""
    if segments == ["**", ""]:
        # `**/` matches all files except the files directly in the folder of the ignore file.
        return f".+{_BELOW}"
    if not segments[0]:
        # A slash at the start: the pattern is relative to the folder of the ignore file.
        segments = segments[1:]
    elif len(segments) == 1 or (len(segments) == 2 and not segments[1]):
        # One name, with or without a slash at the end, matches in every folder.
        segments = segments if segments[0] == "**" else ["**", *segments]
    if not segments:
        raise ValueError("a pattern must not be empty")
    if not segments[-1] and len(segments) > 1:
        segments = [*segments[:-1], "**"]
    if segments == ["**"]:
        return ".+(?P<below>)"
    return "".join(_parts(segments))


def _parts(segments: Sequence[str]) -> Iterator[str]:
    """Yield the regular expression of each segment, with the slashes between the segments."""
    last = len(segments) - 1
    slash = ""
    for index, segment in enumerate(segments):
        if segment == "**" and index == 0:
            yield "(?:.+/)?"
        elif segment == "**" and index == last:
            yield _BELOW
        elif segment == "**":
            yield "(?:/.+)?"
            slash = "/"
        else:
            yield slash + ("[^/]+" if segment == "*" else _glob(segment))
            slash = "/"
            if index == last:
                yield f"(?:{_BELOW})?"


def _glob(segment: str) -> str:
    """Return the regular expression of a segment with the wildcards `*`, `?` and `[...]`."""
    parts, position = [], 0
    while position < len(segment):
        letter, position = segment[position], position + 1
        if letter == "\\":
            if position == len(segment):
                raise ValueError("a backslash must precede another character")
            letter, position = segment[position], position + 1
            parts.append(re.escape(letter))
        elif letter in _WILDCARDS:
            parts.append(_WILDCARDS[letter])
        elif letter == "[" and (found := _BRACKETS.match(segment, position)):
            members = found["members"].replace("\\", "\\\\")
            # A caret is a member of the set. In a regular expression, a caret would negate the set.
            caret = "\\" if members.startswith("^") and not found["negation"] else ""
            parts.append(f"[{'^' if found['negation'] else caret}{members}]")
            position = found.end()
        else:
            parts.append(re.escape(letter))
    return "".join(parts)


_WILDCARDS = {"*": "[^/]*", "?": "[^/]"}
#: The text after an opening bracket. A closing bracket at the start of the set is a member of
#: the set.
_BRACKETS = re.compile(r"(?P<negation>!?+)(?P<members>\]?+[^\]]*+)\]")
