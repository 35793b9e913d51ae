"""Conda files: the list of packages of an environment, and its translation for PyPI.

A dependency of a conda file is a conda package, or `pip:` with a list of lines for pip. The syntax
of a conda package:
https://docs.conda.io/projects/conda/en/stable/user-guide/concepts/pkg-specs.html
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]
from packaging.requirements import InvalidRequirement, Requirement

#: `channel::name`, and then the version and the build, separated by spaces or by `=`.
_PACKAGE = re.compile(r"(?:[^:\s]+::)?(?P<name>[A-Za-z0-9_][\w.-]*)\s*(?P<rest>.*)")
#: `=1.26`, `=1.26.*` or `=1.26.4=py311h1234`, but not `==1.26.4`.
_FUZZY = re.compile(r"=(?!=)\s*(?P<version>[\w.!+*]+)(?:\s*=\s*[\w.*]+)?")
#: `==1.26.4=py311h1234` or `==1.26.4 py311h1234`.
_EXACT = re.compile(r"==\s*(?P<version>[\w.!+*]+)(?:[\s=]+[\w.*]+)?")
#: `1.26` or `1.26.* py311h1234`, after a space.
_BARE = re.compile(r"(?P<version>\d[\w.!+*]*)(?:[\s=]+[\w.*]+)?")

#: Conda package -> the name of the same software on PyPI, for software with two different names. On
#: PyPI, another project may have the name of the conda package.
_PYPI_NAMES = {
    "dask-core": "dask",
    "docker-py": "docker",
    "faiss": "faiss-cpu",
    "matplotlib-base": "matplotlib",
    "msgpack-python": "msgpack",
    "opencv": "opencv-python",
    "py-opencv": "opencv-python",
    "py-xgboost": "xgboost",
    "pytables": "tables",
    "python-graphviz": "graphviz",
    "pytorch": "torch",
    "redis-py": "redis",
}
#: Conda packages that are not Python packages. PyPI has other software of the same name or none.
_OTHER_SOFTWARE = """
anaconda blas boost bzip2 compilers conda cpuonly cuda curl eigen ffmpeg gcc geos git go
graphviz gxx hdf5 imagemagick java-jdk jpeg jq libffi libgcc libpng libxml2 llvm make
mamba mysql nccl ncurses nodejs openblas openjdk openmpi openssl pandoc perl poppler
postgresql proj pytorch-cuda readline redis rsync ruby rust snappy sox sqlite tesseract
tk unzip vim wget xz zlib zstd
"""
#: Suffixes of package files.
_ARCHIVES = (".whl", ".tar.gz", ".zip")
#: A line of the pip part with an option that names a file or a folder.
_FILE_OPTION = re.compile(
    r"(--requirement|--constraint|--editable|--find-links|-r|-c|-e|-f)[\s=]*(.+)"
)
#: The options whose file contains more lines of this kind.
_REQUIREMENTS = ("--requirement", "--constraint", "-r", "-c")
#: A path, and the extras of the package at this path, e.g. `.[dev]`.
_PATH_AND_EXTRAS = re.compile(r"(.+?)(\[[\w\s,.-]*\])?")


class RecipeError(ValueError):
    """A conda file that is not valid. The text is the rule, the value and the remedy."""


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
        return [line for line in self.conda if _split(line)[0] in _OTHER_SOFTWARE.split()]

    @property
    def python_request(self) -> str:
        """The version of Python as uv expects it, e.g. `3.11` or `>=3.9,<3.12`; may be empty."""
        return _python_request(self.python)

    @property
    def requirements(self) -> list[str]:
        """The lines of a requirements file for PyPI with all packages except Python."""
        return [*map(_requirement, self.conda), *self.pip_lines]

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
    pip = [line for entry in listed if isinstance(entry, dict) for line in _pip_lines(entry)]
    if wrong := [line for line in listed if not isinstance(line, str | dict)]:
        raise RecipeError(f"dependencies: must be names of packages, got {wrong[0]!r}")
    names = [_split(line)[0] for line in packages]
    pythons = [_split(line)[1] for line in packages if _split(line)[0] == "python"]
    recipe = Recipe(
        source=source,
        python=pythons[0] if pythons else "",
        conda=[line for line, name in zip(packages, names, strict=True) if name != "python"],
        pip=pip,
        folder=folder.absolute(),
        variables=sorted(map(str, content.get("variables") or ())),
        channels=[str(channel) for channel in content.get("channels") or ("conda-forge",)],
    )
    # Translate the versions here, so that this function reports a wrong version.
    _ = recipe.requirements, recipe.python_request
    for line in pip:
        _check_pip_line(line)
    return recipe


def _pip_lines(entry: dict[Any, Any]) -> Iterator[str]:
    if set(entry) != {"pip"} or not isinstance(entry["pip"], list | None):
        raise RecipeError(
            f"dependencies: must be names of packages and pip: with a list, got {entry!r}"
        )
    for line in entry["pip"] or ():
        if not isinstance(line, str) or not line.strip():
            raise RecipeError(f"pip: must be a list of requirements, got {line!r}")
        yield line.strip()


def _check_pip_line(line: str) -> None:
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


def _split(package: str) -> tuple[str, str]:
    """Return the name and the version part of a conda package."""
    found = _PACKAGE.fullmatch(package.strip())
    if found is None or "[" in package:
        raise RecipeError(f"dependencies: must be conda packages, got {package!r}")
    return found["name"].lower(), found["rest"].strip()


def _requirement(package: str) -> str:
    """Return the requirement for PyPI that means the same as a conda package."""
    name, rest = _split(package)
    specifier = _specifier(rest)
    text = f"{_PYPI_NAMES.get(name, name)}{specifier}"
    try:
        if Requirement(text).specifier or not specifier:
            return text
    except InvalidRequirement:
        pass
    raise RecipeError(
        f"dependencies: must be conda packages with a version such as =1.26, got {package!r}"
    )


def _specifier(rest: str) -> str:
    if not rest or rest == "*":
        return ""
    if found := _EXACT.fullmatch(rest):
        return f"=={found['version']}"
    if found := _FUZZY.fullmatch(rest) or _BARE.fullmatch(rest):
        # `=1.26` means every version that begins with 1.26.
        return f"=={found['version'].removesuffix('.*').removesuffix('*')}.*"
    return rest.replace(" ", "")


def _python_request(rest: str) -> str:
    specifier = _specifier(rest)
    if specifier.startswith("==") and "," not in specifier:
        return specifier.removeprefix("==").removesuffix(".*")
    return specifier
