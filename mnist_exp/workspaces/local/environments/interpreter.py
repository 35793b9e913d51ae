"""The paths and the version of a Python interpreter that jobs use."""

import os
import site
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mnist_exp import run_module

#: The oldest Python that can run the fork server and the workers of endpoints.
OLDEST_PYTHON = (3, 10)


@dataclass(frozen=True)
class Interpreter:
    """A Python interpreter with its installed packages.

    Attributes:
        executable: The program `python` of the environment.
        base: The real path of `executable`. Virtual environments of this interpreter contain a link
            to this path.
        version: Major and minor version, e.g. `3.11`.
        site_folders: The folders of the installed packages, in the order in which Python searches
            them.
    """

    executable: Path
    base: Path
    version: str
    site_folders: tuple[Path, ...]

    @property
    def is_this_python(self) -> bool:
        """Whether this interpreter runs this process."""
        return self.executable == Path(sys.executable)

    @property
    def can_run_package(self) -> bool:
        """Whether the modules of this package run with this interpreter."""
        major, minor = self.version.split(".")
        return (int(major), int(minor)) >= OLDEST_PYTHON

    def module(self, name: str) -> list[str]:
        """Return the start of a command line that runs a module of this package.

        The result always has four words. Other code can therefore find the arguments of the module
        in a command line: the arguments begin with the fifth word.
        """
        if self.is_this_python:
            # With -P, files in the working directory do not hide installed packages.
            return [str(self.executable), "-P", "-m", name]
        # With -B, a Python of another version writes no bytecode files into this package.
        return [str(self.executable), "-B", run_module.__file__, name]

    @property
    def programs(self) -> Path:
        """The folder of the environment's programs."""
        return self.executable.parent

    def variables(self) -> Mapping[str, str]:
        """Return the environment variables with which a process finds this interpreter first."""
        inherited = os.environ.get("PATH", os.defpath)
        return {"PATH": f"{self.programs}{os.pathsep}{inherited}"}


def this_interpreter() -> Interpreter:
    """Return the interpreter that runs this process."""
    folders = site.getsitepackages()
    if site.ENABLE_USER_SITE:
        folders.insert(0, site.getusersitepackages())
    return Interpreter(
        executable=Path(sys.executable),
        # In a virtual environment, the program is a link to the program of the base interpreter.
        base=Path(sys.executable).resolve(),
        version=f"{sys.version_info.major}.{sys.version_info.minor}",
        site_folders=tuple(map(Path, folders)),
    )
