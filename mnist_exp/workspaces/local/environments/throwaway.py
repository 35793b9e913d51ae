"""Throw-away environments: a virtual environment for a process of a job, or for a revision.

On Azure ML a job runs in a container, and packages that the job installs are deleted with the
container. On this machine the job gets a virtual environment that is deleted when the job ends. A
script in this environment can import all packages of the interpreter for which the environment was
created. `pip`, `python -m pip` and `uv pip` install only into this environment, even with `--user`
or `--system`. The workers of a revision (a version of a deployment) also get such an environment.

The standard module `venv` would need a tenth of a second to create such an environment. This module
needs about a millisecond, because it writes only a few small files and links.
"""

import hashlib
import os
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from mnist_exp.workspaces.local.environments.console_scripts import write_wrappers
from mnist_exp.workspaces.local.environments.interpreter import Interpreter

#: A line of a `.pth` file. Python runs a line that begins with `import`. `addsitedir` adds a folder
#: of packages, and also reads the `.pth` files in it, e.g. those of editable installations.
#: https://docs.python.org/3/library/site.html
_SHOW = "import site; site.addsitedir({!r})\n"


def throwaway_folder(work: Path, index: int = 0) -> Path:
    """Return the path of the throw-away environment of one process of a job.

    Args:
        work: The job's working directory.
        index: The number of the process; 0 for a job with one process.
    """
    folder = work.parent / f"environment_{index}"
    if os.pathsep not in str(folder):
        return folder
    # A folder with the separator in its path cannot be on PATH. Use a temporary folder instead. Its
    # name is a hash of the path, so every call returns the same folder.
    name = hashlib.sha256(str(folder).encode()).hexdigest()[:16]
    return Path(tempfile.gettempdir(), f"mnist-exp-{name}")


def create_throwaway(interpreter: Interpreter, folder: Path) -> Mapping[str, str]:
    """Create a throw-away environment, and return the environment variables that activate it.

    Args:
        interpreter: The interpreter whose packages can be imported in the environment.
        folder: The folder of the environment, which must not exist.
    """
    programs = folder / "bin"
    packages = folder / "lib" / f"python{interpreter.version}" / "site-packages"
    programs.mkdir(parents=True)
    packages.mkdir(parents=True)
    # On some distributions, packages with compiled code are installed below lib64.
    (folder / "lib64").symlink_to("lib")
    # Python searches for `pyvenv.cfg` beside the folder with the program `python`:
    # https://docs.python.org/3/library/site.html
    # pip refuses `--user` if the value of `include-system-site-packages` is `false` in lower case.
    # Python accepts both spellings.
    (folder / "pyvenv.cfg").write_text(
        f"home = {interpreter.base.parent}\ninclude-system-site-packages = False\n"
        f"version = {interpreter.version}\n",
        encoding="utf-8",
    )
    lines = (_SHOW.format(str(path)) for path in interpreter.site_folders)
    (packages / "_mnist_exp.pth").write_text("".join(lines), encoding="utf-8")
    for name in ("python", "python3", f"python{interpreter.version}"):
        (programs / name).symlink_to(interpreter.base)
    # pip reads the settings of an environment from this file. Do not link to the file: a job may
    # change the settings with `pip config --site set`. The file may contain a password.
    with suppress(OSError):
        settings = (interpreter.programs.parent / "pip.conf").read_bytes()
        (folder / "pip.conf").touch(mode=0o600)
        (folder / "pip.conf").write_bytes(settings)
    search, pip = [str(programs), str(write_wrappers(interpreter, folder))], {}
    if os.pathsep in str(folder):
        # The environment of a revision must stay in the revision's folder. A folder with the
        # separator in its path cannot be on PATH, so `pip` is the program of another environment.
        search, pip = [], {"PIP_PYTHON": str(programs / "python")}
    return {
        **pip,
        "PATH": os.pathsep.join([*search, interpreter.variables()["PATH"]]),
        "VIRTUAL_ENV": str(folder),
        # Without this variable, `uv pip install --system` would install into the base interpreter.
        "UV_PYTHON": str(programs / "python"),
        # Without this variable, `uv sync` and `uv run` would change the environment of a project.
        "UV_PROJECT_ENVIRONMENT": str(folder),
        # Without this variable, `conda install` would change the environment that contains conda.
        # conda refuses to change the folder, because it is not an environment of conda.
        "CONDA_PREFIX": str(folder),
        # `pip install --user` installs into this environment.
        "PYTHONUSERBASE": str(folder),
        # The user's pip configuration may contain `user = true`. pip refuses this setting in a
        # virtual environment.
        "PIP_USER": "0",
        # A notice about a newer pip would be among the last lines of the log.
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    }
