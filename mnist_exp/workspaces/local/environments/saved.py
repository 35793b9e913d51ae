"""The description of a saved environment: its interpreter, its source, its age and its size."""

import json
import subprocess
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from mnist_exp.errors import RefusedError
from mnist_exp.records import INVALID_JSON, write_json
from mnist_exp.results import size_text
from mnist_exp.snapshot import folder_size
from mnist_exp.workspaces.local.environments.interpreter import Interpreter

#: The file with the description, in the folder of an environment.
DESCRIPTION = "environment.json"
#: Python code that prints the path, the version and the package folders of an interpreter.
_INSPECT = """\
import json, os, site, sys
version = "%d.%d" % sys.version_info[:2]
print(json.dumps([os.path.realpath(sys.executable), version, site.getsitepackages()]))
"""


@dataclass(frozen=True)
class SavedEnvironment:
    """A saved environment.

    Attributes:
        source: The conda file, or the name of the curated environment.
        made_with: The program that created the environment.
        made_at: The time of the creation, in seconds since 1970.
        size: The size in bytes.
        executable: The program `python` of the environment.
        base: The real path of `executable`. Virtual environments of this interpreter contain a link
            to this path.
        version: The version of Python.
        site_folders: The folders of the installed packages.
    """

    source: str
    made_with: str
    made_at: float
    size: int
    executable: str
    base: str
    version: str
    site_folders: Sequence[str]

    @property
    def interpreter(self) -> Interpreter:
        """The interpreter of the environment."""
        folders = tuple(map(Path, self.site_folders))
        return Interpreter(Path(self.executable), Path(self.base), self.version, folders)

    @property
    def text(self) -> str:
        """The description in one line."""
        days = (time.time() - self.made_at) / 86400
        return (
            f"{self.source} with Python {self.version}: {size_text(self.size)}, "
            f"{days:.0f} days old, created with {self.made_with}"
        )

    @classmethod
    def load(cls, folder: Path) -> Self | None:
        """Return the description in the folder of an environment; None if it cannot be used."""
        try:
            saved = cls(**json.loads((folder / DESCRIPTION).read_text(encoding="utf-8")))
        except (OSError, TypeError, *INVALID_JSON):
            return None
        # The Python that a virtual environment links to may have been deleted.
        return saved if Path(saved.executable).exists() else None

    def save(self, folder: Path) -> None:
        """Write the description into the folder of an environment that is complete."""
        write_json(folder / DESCRIPTION, asdict(self))


def described(prefix: Path, source: str, program: str) -> SavedEnvironment:
    """Return the description of a new environment.

    Args:
        prefix: The folder of the conda environment or virtual environment.
        source: The conda file, or the name of the curated environment.
        program: The program that created the environment.

    Raises:
        RefusedError: The Python of the environment does not run.
    """
    python = prefix / "bin" / "python"
    done = subprocess.run(
        [python, "-I", "-c", _INSPECT], capture_output=True, text=True, check=False
    )
    if done.returncode:
        reason = " ".join(done.stderr.split())[-300:]
        raise RefusedError(f"env: the Python of {source} does not run: {reason}")
    base, version, folders = json.loads(done.stdout)
    return SavedEnvironment(
        source=source,
        made_with=program,
        made_at=time.time(),
        size=folder_size(prefix)[0],
        executable=str(python),
        base=base,
        version=version,
        site_folders=folders,
    )
