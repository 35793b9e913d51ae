"""Random code folders with ignore files, and the files that Azure's SDK uploads from them."""

import random
import re
from pathlib import Path

from azure.ai.ml._utils._asset_utils import get_ignore_file, get_upload_files_from_folder
from azure.ai.ml._utils._pathspec import GitWildMatchPatternError

#: The errors with which the SDK refuses an ignore file.
REFUSALS = (GitWildMatchPatternError, re.error, UnicodeDecodeError, IsADirectoryError)

_NAMES = (
    *("a", "b", "ab", "A", "a.txt", "b.txt", "x.log", "data", "src", ".env", "é", "a b"),
    *("a", "b", "a.txt", "data", "src"),
    *(" a", "a ", "[a]", "!a", "#a", "a\\", "^", "a\nb", "x\u2028y", "[", "*", "-"),
)
_GLOBS = (
    *("*", "**", "?", "*.txt", "*.*", "a*", "[ab]", "[!a]", "[^a]", "a[!b]", "[a-b].txt", "[]a]"),
    *("[!]a]", "[", "[a", "[]", "[!]", "[^]", "[[a]", "[a&&b]", "[\\]", "\\a", "\\!a", "\\#a"),
    *("a**", "**a", "***", "", " ", "..", ".", "shared", "link"),
)
#: Lines that the SDK refuses.
_INVALID = ("!", "a\\", "a\\ ", "[z-a]", "a\\/b")
#: Lines that concern many files.
_USUAL = (
    *("a", "b", "*.txt", "/data", "data/", "src/", "src/*", "*", "/*", "a*", "**/a", "[a-z]*"),
    *("!a", "!*.txt", "!/data", "!data/", "!src/*", "!*/", "!**/b", "![a-z]*"),
)
_BLANKS = ("", " ", "\t", "\f", "\u2028", "\u00a0", "\x0b", "\x85")
_ENDS = ("\n", "\n", "\n", "\r\n", "\r", "\f", "\u2028", "\x1e")


def sdk_upload(code: Path) -> list[str]:
    """Return the files that the SDK uploads from a code folder."""
    found = get_upload_files_from_folder(code.resolve(), ignore_file=get_ignore_file(code))
    return sorted(name for _, name in found)


def draw_code_folder(draw: random.Random, parent: Path) -> Path:
    """Create a random code folder below `parent`, with files and links beside it."""
    code, shared = parent / "code", parent / "shared"
    folders = [code, shared]
    for folder in folders:
        folder.mkdir(parents=True)
    for _ in range(draw.randint(1, 9)):
        path = draw.choice(folders) / draw.choice(_NAMES)
        if path.exists():
            continue
        if draw.random() < 0.4:
            path.mkdir()
            folders.append(path)
        else:
            path.touch()
    _draw_links(draw, code, shared, folders)
    _draw_ignore_file(draw, code, shared)
    return code


def _draw_links(draw: random.Random, code: Path, shared: Path, folders: list[Path]) -> None:
    """Create links to files and folders. No link is part of a loop of links."""
    inside = [folder for folder in folders if folder.is_relative_to(code)]
    for number in range(draw.choice((0, 0, 1, 2))):
        link = draw.choice(inside) / f"link{number or ''}"
        leaves = [each for each in folders if not code.is_relative_to(each)]
        target = draw.choice([each for each in leaves if not link.is_relative_to(each)] or [shared])
        files = [each for each in target.iterdir() if each.is_file() and not each.is_symlink()]
        if files and draw.random() < 0.4:
            link.symlink_to(draw.choice(files))
        elif not any(each.is_symlink() for each in target.rglob("*")):
            link.symlink_to(target, target_is_directory=True)


def _draw_ignore_file(draw: random.Random, code: Path, shared: Path) -> None:
    text = "".join(_line(draw) + draw.choice(_ENDS) for _ in range(draw.randint(1, 6)))
    content = draw.choice(("", "", "", "\ufeff")) + text
    path = code / draw.choice((".amlignore", ".gitignore"))
    if draw.random() < 0.05:
        (shared / path.name).write_text(content, encoding="utf-8", newline="")
        path.symlink_to(shared / path.name)
    else:
        encoding = "latin-1" if draw.random() < 0.03 else "utf-8"
        path.write_text(content, encoding=encoding, errors="replace", newline="")


def _line(draw: random.Random) -> str:
    if draw.random() < 0.01:
        return draw.choice(_INVALID)
    if draw.random() < 0.5:
        return draw.choice(_USUAL)
    segments = [
        draw.choice(draw.choice((_NAMES, _GLOBS))) for _ in range(draw.choice((1, 1, 2, 3)))
    ]
    start, end = draw.choice(("", "", "/", "**/")), draw.choice(("", "", "/", "/**", "/*"))
    negation = draw.choice(("", "", "", "!", "#" if draw.random() < 0.1 else ""))
    blank = draw.choice(_BLANKS) if draw.random() < 0.2 else ""
    return blank + negation + start + "/".join(segments) + end
