"""The two ways to create an environment: with conda, or with uv from PyPI.

The first of conda, mamba and micromamba that is on PATH creates the environment. If none of them is
on PATH, uv creates a virtual environment with the Python and the packages that the conda file
names. uv finds a Python on this machine, or downloads a Python.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import yaml  # type: ignore[import-untyped]

from mnist_exp.errors import RefusedError
from mnist_exp.software import Recipe, find_conda
from mnist_exp.workspaces.local.environments.interpreter import this_interpreter
from mnist_exp.workspaces.local.environments.pip_settings import uv_variables
from mnist_exp.workspaces.local.environments.programs import Outcome, run

#: An extra of TensorFlow that installs three gigabytes of libraries for NVIDIA GPUs.
_GPU_EXTRA = "[and-cuda]"
#: Number of times that uv repeats a failed request.
_RETRIES = "1"


@dataclass(frozen=True)
class Order:
    """An environment to create.

    Attributes:
        recipe: The packages.
        prefix: The folder of the new environment, which does not exist.
        where: The config key of the environment, for messages.
        message: Function that receives a line for the user.
        lock: The file descriptor of the lock that this command holds.
    """

    recipe: Recipe
    prefix: Path
    where: str
    message: Callable[[str], None]
    lock: int

    def run(self, *command: str | Path, variables: Mapping[str, str] | None = None) -> Outcome:
        """Run a program in the folder of the recipe."""
        return run(command, self.recipe.folder, variables or {}, self.message, self.lock)

    def fail(self, outcome: Outcome, remedy: str) -> RefusedError:
        """Return the error for a program that failed."""
        return RefusedError(
            f"{self.where}: {self.recipe.source} cannot be installed on this machine: "
            f"{outcome.reason}; {remedy}"
        )


class Maker(Protocol):
    """A program that creates environments."""

    @property
    def name(self) -> str:
        """The name of the program."""

    def make(self, order: Order) -> None:
        """Create the environment.

        Raises:
            RefusedError: A package, or the version of Python, cannot be installed.
        """


def maker() -> Maker:
    """Return conda, mamba or micromamba if one of them is installed, otherwise uv."""
    program = find_conda()
    return CondaMaker(Path(program).name, program) if program else UvMaker()


@dataclass(frozen=True)
class CondaMaker:
    """conda, mamba or micromamba."""

    name: str
    program: str

    def make(self, order: Order) -> None:
        """Create a conda environment."""
        file = order.prefix.with_name("conda.yaml")
        recipe = order.recipe
        python = [f"python {recipe.python}"] if recipe.python else ["python"]
        pip = [{"pip": recipe.pip_lines}] if recipe.pip else []
        # Without pip among the packages, conda would warn and install pip itself.
        content = {
            "channels": list(recipe.channels),
            "dependencies": [*python, *recipe.conda, "pip", *pip],
        }
        file.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
        create = ["create"] if self.name == "micromamba" else ["env", "create"]
        options = ["--quiet", "--prefix", str(order.prefix), "--file", str(file)]
        outcome = order.run(
            *(self.program, *create, *options),
            # Ask no questions.
            variables={"CONDA_ALWAYS_YES": "true", "MAMBA_ALWAYS_YES": "true"},
        )
        if outcome.code:
            raise order.fail(outcome, f"change the conda file, and test it with {self.name}")


class UvMaker:
    """uv, which installs packages from PyPI."""

    name = "uv"

    def make(self, order: Order) -> None:
        """Create a virtual environment."""
        if unneeded := order.recipe.only_for_conda:
            order.message(
                f"env: {', '.join(unneeded)} of {order.recipe.source} are left out, because only "
                "packages of conda need them"
            )
        program = _uv()
        variables = {**uv_variables(), "UV_HTTP_RETRIES": _RETRIES, "PATH": _search_path()}
        version = order.recipe.python_request or this_interpreter().version
        outcome = order.run(
            *(program, "venv", "--no-project", "--quiet", "--python", version, order.prefix),
            variables=variables,
        )
        if outcome.code:
            raise RefusedError(
                f"{order.where}: {order.recipe.source} needs Python {version}, which is not on "
                f"this machine, and uv cannot download it ({outcome.reason}); install "
                f"Python {version}, or choose another version of python in the file"
            )
        lines = order.prefix.with_name("requirements.txt")
        # pip is among the packages, so that a job can install more packages for itself.
        lines.write_text("\n".join(["pip", *order.recipe.requirements]), encoding="utf-8")
        python = order.prefix / "bin" / "python"
        outcome = order.run(
            *(program, "pip", "install", "--python", python, "--requirements", lines),
            variables=variables,
        )
        if outcome.code:
            raise order.fail(outcome, _remedy(outcome.reason))


def _uv() -> str:
    """Return the path of uv.

    The import is late, because only a new environment needs uv. A command that needs no new
    environment also works if uv was not installed.
    """
    try:
        from uv import find_uv_bin  # noqa: PLC0415

        return str(find_uv_bin())
    except (ImportError, FileNotFoundError) as error:
        raise RefusedError(
            "env: conda or uv must be installed to create an environment, got neither; "
            "run pip install uv"
        ) from error


def _remedy(reason: str) -> str:
    if "No space left" in reason:
        return "make space on the disk, or use another folder with data.cache_dir=FOLDER"
    if "you require" in reason:
        return (
            "only packages of PyPI can be installed without conda; install conda, or write the "
            "names and versions of PyPI in the pip part"
        )
    return "check the network, the package index in pip's configuration, and the file"


def without_gpu_libraries(recipe: Recipe) -> Recipe:
    """Return the recipe without TensorFlow's libraries for GPUs if the machine has no NVIDIA GPU.

    On a CPU, TensorFlow computes the same results without these libraries.
    """
    if not any(_GPU_EXTRA in line for line in recipe.pip) or Path("/dev/nvidiactl").exists():
        return recipe
    pip = [line.replace(_GPU_EXTRA, "") for line in recipe.pip]
    note = (
        f"{recipe.source}: tensorflow is installed without its extra {_GPU_EXTRA}, because this "
        "machine has no NVIDIA GPU"
    )
    return replace(recipe, pip=pip, note=note)


def _search_path() -> str:
    """Return the folders in which uv searches for Python.

    The programs in pyenv's folder `shims` fail for a version that the user has not activated. The
    programs in pyenv's folder `versions` always work. The Python of this process comes first.
    """
    folders = os.environ.get("PATH", os.defpath).split(os.pathsep)
    kept = [folder for folder in folders if Path(folder).name != "shims"]
    root = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    versions = sorted((root / "versions").glob("*/bin"), reverse=True)
    ours = this_interpreter().base.parent
    return os.pathsep.join(map(str, [ours, *kept, *versions]))
