"""Wrappers for programs that would otherwise not use the throw-away environment.

The first line of an installed console script, e.g. `pytest`, names the Python of the environment
that the script was installed into. Without a wrapper, the script would not find the packages that
a job has installed. A wrapper runs the script with the `python` of the throw-away environment.
"""

import re
import shlex
import shutil
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path

from mnist_exp.snapshot import link_or_copy
from mnist_exp.workspaces.local.environments.interpreter import Interpreter

#: Number of bytes that are read from the start of a script. These bytes contain the path of the
#: script's Python. A long path is in the second line:
#: https://github.com/pypa/distlib/blob/master/distlib/scripts.py
_START = 512
#: Programs without a wrapper. conda must run with the Python of its own environment.
_WITHOUT_WRAPPER = re.compile(r"(pip|python)[\d.]*|mamba|conda(-\w+)?")
#: The beginning of a wrapper, which both sh and Python can read. sh starts the Python of the
#: throw-away environment, whose path may be too long for the first line. A job can also start the
#: wrapper with Python: `python $(command -v pytest)`.
_START_PYTHON = """\
#!/bin/sh
'''exec' {python} "$0" "$@"
' '''
"""
#: The wrapper of each console script. Its name is the name of the script. The script runs in this
#: process, and sys.argv[0] stays the path of the wrapper. A program that searches beside
#: sys.argv[0] for other programs therefore finds wrappers. If the job started the wrapper through a
#: link, follow the link to find the script.
_SCRIPT = """\
import os
import sys

path = sys.argv[0]
while not os.path.exists(os.path.join({programs!r}, os.path.basename(path))):
    path = os.path.join(os.path.dirname(path), os.readlink(path))
__file__ = os.path.join({programs!r}, os.path.basename(path))
with open(__file__, "rb") as file:
    exec(compile(file.read(), __file__, "exec"))
"""
_PIP = 'import runpy\n\nrunpy.run_module("pip", run_name="__main__", alter_sys=True)\n'
#: uv's option `--system` ignores virtual environments, except the environment in UV_PYTHON. If the
#: job has activated a different environment, uv must use that environment.
_UV = """\
#!/bin/sh
folder={folder}
if [ "${{VIRTUAL_ENV:-$folder}}" != "$folder" ] && [ "$UV_PYTHON" = "$folder/bin/python" ]; then
    unset UV_PYTHON
fi
exec {uv} "$@"
"""


def write_wrappers(interpreter: Interpreter, folder: Path) -> Path:
    """Write the wrappers of a throw-away environment, and return their folder.

    A package that a job installs never overwrites a wrapper, because the package's programs are in
    `bin`.

    Args:
        interpreter: The interpreter whose console scripts get wrappers.
        folder: The folder of the throw-away environment.
    """
    wrappers = folder / "programs"
    wrappers.mkdir()
    python = _START_PYTHON.format(python=shlex.quote(str(folder / "bin" / "python")))
    pip = _written(wrappers / ".pip", python + _PIP)
    for name in ("pip", "pip3", f"pip{interpreter.version}"):
        # Some scripts start the program beside `python`: "$VIRTUAL_ENV/bin/pip".
        for programs in (wrappers, folder / "bin"):
            link_or_copy(pip, programs / name)
    if uv := _uv(interpreter):
        _written(wrappers / "uv", _UV.format(folder=shlex.quote(str(folder)), uv=shlex.quote(uv)))
    for number, (programs, names) in enumerate(_console_scripts(interpreter).items()):
        text = python + _SCRIPT.format(programs=str(programs))
        script = _written(wrappers / f".script-{number}", text)
        for name in names:
            # It takes less time to create a link than to write a file. A hard link has its own
            # name, also after `readlink -f`.
            link_or_copy(script, wrappers / name)
    return wrappers


def _written(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    path.chmod(0o755)
    return path


@lru_cache
def _uv(interpreter: Interpreter) -> str | None:
    return shutil.which("uv", path=interpreter.variables()["PATH"])


@lru_cache
def _console_scripts(interpreter: Interpreter) -> Mapping[Path, Sequence[str]]:
    """Return the names of the console scripts in each folder, without pip and the interpreter."""
    version = re.escape(interpreter.version)
    python = re.escape(f"{interpreter.programs}/python") + rf"(3|{version})?[\"'\s]"
    pattern = re.compile(python.encode())
    found: dict[Path, list[str]] = {}
    seen: set[str] = set()
    for folder in _program_folders(interpreter):
        names = {path.name for path in folder.iterdir() if _is_script(path, pattern)}
        found[folder] = sorted(names - seen)
        seen |= names
    return found


def _program_folders(interpreter: Interpreter) -> list[Path]:
    """Return the folders with the programs of an interpreter's packages.

    pip installs the programs of PREFIX/lib/python3.11/site-packages into PREFIX/bin. An interpreter
    may have several of these folders, e.g. ~/.local/bin for packages that only one user has.
    """
    prefixes = [folder.parents[2] for folder in interpreter.site_folders if len(folder.parts) > 3]
    folders = dict.fromkeys([interpreter.programs, *(prefix / "bin" for prefix in prefixes)])
    return [folder for folder in folders if folder.is_dir()]


def _is_script(path: Path, pattern: re.Pattern[bytes]) -> bool:
    """Return whether a program is a console script that needs a wrapper.

    Args:
        path: The path of the program.
        pattern: The regular expression for the path of the interpreter.
    """
    if _WITHOUT_WRAPPER.fullmatch(path.name):
        return False
    try:
        with path.open("rb") as file:
            start = file.read(_START)
    except OSError:
        # A folder, a program that only root may read, or a file that was just deleted.
        return False
    first = b"\n".join(start.split(b"\n")[:2])
    return start.startswith(b"#!") and pattern.search(first) is not None
