"""Wrappers for programs that would otherwise not use the throw-away environment.

The first line of an installed console script, e.g. `pytest`, names the Python of the environment
that the script was installed into. Without a wrapper, the script would not find the packages that
a job has installed. A wrapper runs the script with the `python` of the throw-away environment.
"""

import re
import shlex
import shutil
from functools import lru_cache
from pathlib import Path

from mnist_exp.workspaces.local.environments.interpreter import Interpreter

#: Number of bytes that are read from the start of a script. They contain the path of the script's
#: Python. A long path is in the second line:
#: https://github.com/pypa/distlib/blob/master/distlib/scripts.py
_START = 512
#: The wrapper of each console script. Its name is the name of the script.
_SCRIPT = '#!/bin/sh\nprograms=${{0%/*}}\nexec "${{programs%/*}}/bin/python" {} "$@"\n'
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
    pip = _written(wrappers / ".pip", _SCRIPT.format("-m pip"))
    for name in ("pip", "pip3", f"pip{interpreter.version}"):
        (wrappers / name).symlink_to(pip.name)
    if uv := _uv(interpreter):
        _written(wrappers / "uv", _UV.format(folder=shlex.quote(str(folder)), uv=shlex.quote(uv)))
    script = f'{shlex.quote(str(interpreter.programs))}/"${{0##*/}}"'
    script = _written(wrappers / ".script", _SCRIPT.format(script)).name
    for name in _console_scripts(interpreter):
        # It takes less time to create a symbolic link than to write a file.
        (wrappers / name).symlink_to(script)
    return wrappers


def _written(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    path.chmod(0o755)
    return path


@lru_cache
def _uv(interpreter: Interpreter) -> str | None:
    return shutil.which("uv", path=interpreter.variables()["PATH"])


@lru_cache
def _console_scripts(interpreter: Interpreter) -> tuple[str, ...]:
    """Return the names of the console scripts, without pip and the interpreter itself."""
    version = re.escape(interpreter.version)
    python = re.escape(f"{interpreter.programs}/python") + rf"(3|{version})?[\"'\s]"
    pattern = re.compile(python.encode())
    names = []
    for path in sorted(interpreter.programs.iterdir()):
        if path.name.startswith(("pip", "python")) or not path.is_file():
            continue
        with path.open("rb") as file:
            start = file.read(_START)
        first = b"\n".join(start.split(b"\n")[:2])
        if start.startswith(b"#!") and pattern.search(first):
            names.append(path.name)
    return tuple(names)
