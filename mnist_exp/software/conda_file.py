"""Conda files: the list of packages of an environment.

A dependency of a conda file is a conda package, or `pip:` with a list of lines for pip.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]
from packaging.requirements import InvalidRequirement, Requirement

from mnist_exp.software.pypi import (
    RecipeError,
    is_only_for_conda,
    is_other_software,
    name_and_version,
    python_request,
    requirement,
)

#: Suffixes of package files.
_ARCHIVES = (".whl", ".tar.gz", ".zip")
#: A line of the pip part with an option that names a file or a folder.
_FILE_OPTION = re.compile(
    r"(--requirement|--constraint|--editable|--find-links|-r|-c|-e|-f)[\s=]*(.+)"
)
#: The options that name a requirements file. Its lines may name further files.
_REQUIREMENTS = ("--requirement", "--constraint", "-r", "-c")
#: A path, and the extras of the package at this path, e.g. `.[dev]`.
_PATH_AND_EXTRAS = re.compile(r"(.+?)(\[[\w\s,.-]*\])?")


@dataclass(frozen=True)
class Recipe:
    """The packages of an environment.

    Attributes:
        source: The path of the conda file, or the name of the curated environment.
        python: The version of Python in conda's syntax, e.g. `=3.11`; empty if no version is given.
        conda: The other conda packages.
        pip: The lines of the pip part.
        folder: The folder that relative paths in the pip part refer to.
        channels: The conda channels.
        note: What the user must know about the packages; may be empty.
        variables: The names of the environment variables that conda sets at activation.
    """

    source: str
    python: str
    conda: Sequence[str]
    pip: Sequence[str]
    folder: Path = field(default_factory=Path)
    channels: Sequence[str] = ("conda-forge",)
    note: str = ""
    variables: Sequence[str] = ()

    @property
    def not_on_pypi(self) -> list[str]:
        """The conda packages that PyPI does not have, or has only as other software."""
        return list(filter(is_other_software, self.conda))

    @property
    def only_for_conda(self) -> list[str]:
        """The conda packages that an environment with packages of PyPI does not need."""
        return list(filter(is_only_for_conda, self.conda))

    @property
    def python_request(self) -> str:
        """The version of Python as uv expects it, e.g. `3.11` or `>=3.9,<3.12`; may be empty."""
        return python_request(self.python)

    @property
    def requirements(self) -> list[str]:
        """The lines of a requirements file for PyPI, without Python and `only_for_conda`."""
        packages = (line for line in self.conda if not is_only_for_conda(line))
        return [*map(requirement, packages), *self.pip_lines]

    @property
    def pip_lines(self) -> list[str]:
        """The lines of the pip part, with absolute paths instead of relative paths."""
        return [self._absolute(line) for line in self.pip]

    @property
    def files(self) -> list[Path]:
        """The files that the pip part names, and the files that these requirements files name."""
        found: dict[Path, None] = {}
        lines = [(self.folder, line) for line in self.pip]
        while lines:
            folder, line = lines.pop(0)
            option, text = _option_and_path(line) or ("", "")
            path = (folder / text).resolve()
            if not text or path in found or not path.is_file():
                continue
            found[path] = None
            if option in _REQUIREMENTS:
                lines += [(path.parent, nested) for nested in _lines(path)]
        return list(found)

    def _absolute(self, line: str) -> str:
        named = _option_and_path(line)
        if named is None:
            return line
        option, text = named
        path, extras = _PATH_AND_EXTRAS.fullmatch(text).groups(default="")  # type: ignore[union-attr]
        return f"{option} {(self.folder / path).resolve()}{extras}".lstrip()


def read_conda_file(path: Path) -> Recipe:
    """Return the recipe of a conda file.

    Raises:
        RecipeError: The file cannot be read, or is not a valid conda file.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())[:200]
        raise RecipeError(f"must be a conda file in YAML, got {path} ({reason})") from error
    try:
        return parse_recipe(content, str(path), path.parent)
    except RecipeError as error:
        raise RecipeError(f"{error}, in {path}") from error


def parse_recipe(content: Any, source: str, folder: Path) -> Recipe:
    """Return the recipe of a conda file's content.

    Args:
        content: The parsed YAML.
        source: The path of the conda file, or the name of the curated environment.
        folder: The folder that relative paths in the pip part refer to.

    Raises:
        RecipeError: The content is not valid.
    """
    listed = content.get("dependencies") if isinstance(content, dict) else None
    if not isinstance(listed, list):
        raise RecipeError("must have the key dependencies with a list of packages")
    packages = [line for line in listed if isinstance(line, str)]
    others = [entry for entry in listed if not isinstance(entry, str)]
    pip = [line for entry in others if _is_pip_part(entry) for line in entry["pip"] or ()]
    faults = [
        *_faults(_check_package, packages),
        *_faults(_check_pip_part, others),
        *_faults(_check_pip_line, pip),
    ]
    if faults:
        raise RecipeError("; ".join(faults))
    names, versions = zip(*map(name_and_version, packages), strict=True) if packages else ((), ())
    return Recipe(
        source=source,
        python=versions[names.index("python")] if "python" in names else "",
        conda=[line for line, name in zip(packages, names, strict=True) if name != "python"],
        pip=[line.strip() for line in pip],
        folder=folder.absolute(),
        variables=sorted(map(str, content.get("variables") or ())),
        channels=[str(channel) for channel in content.get("channels") or ("conda-forge",)],
    )


def _faults(check: Callable[[Any], None], lines: Sequence[Any]) -> Iterator[str]:
    """Yield the text of the error for each line that fails the check."""
    for line in lines:
        try:
            check(line)
        except RecipeError as error:
            yield str(error)


def _check_package(package: str) -> None:
    if not is_only_for_conda(package):
        requirement(package)


def _is_pip_part(entry: Any) -> bool:
    return (
        isinstance(entry, dict) and set(entry) == {"pip"} and isinstance(entry["pip"], list | None)
    )


def _check_pip_part(entry: Any) -> None:
    if not _is_pip_part(entry):
        raise RecipeError(
            f"dependencies: must be names of packages and pip: with a list, got {entry!r}"
        )


def _check_pip_line(line: Any) -> None:
    if not isinstance(line, str) or not line.strip():
        raise RecipeError(f"pip: must be a list of requirements, got {line!r}")
    line = line.strip()
    is_option_or_path = line.startswith(("-", ".", "/")) or line.endswith(_ARCHIVES)
    if is_option_or_path or "://" in line:
        return
    try:
        # pip also accepts options after the requirement, and comments.
        Requirement(re.split(r"\s(?:--|#)", line)[0].strip())
    except InvalidRequirement as error:
        raise RecipeError(f"pip: must be a requirement, got {line!r}") from error


def _lines(path: Path) -> list[str]:
    """Return the lines of a requirements file, without comments."""
    text = path.read_text(encoding="utf-8", errors="replace")
    return [re.split(r"(?:^|\s)#", line)[0].strip() for line in text.splitlines()]


def _option_and_path(line: str) -> tuple[str, str] | None:
    """Return the option (may be empty) and the path of a line of the pip part.

    The result is None if the line names no path of this machine.
    """
    found = _FILE_OPTION.fullmatch(line)
    option, text = found.groups() if found else ("", line)
    is_path = found is not None or line.startswith((".", "/")) or line.endswith(_ARCHIVES)
    return (option, text) if is_path and "://" not in text else None
