"""The end of a script in a fork: everything that a script can notice is as at Python's exit."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mnist_exp.workspaces.local.processes.forking.client import ForkedScript, ForkServer

PATIENCE_S = 60.0

SCRIPTS = {
    "a file that is not closed is written": "file = open('kept', 'w')\nfile.write('x')\n",
    "a file in a function's default is written": (
        "def f(file=open('kept', 'w')): return file\nf().write('x')\n"
    ),
    "an object is destroyed before its module": (
        "import os\n"
        "class Thing:\n"
        "    def __del__(self): os.mkdir('kept')\n"
        "thing = Thing(); thing.itself = thing\n"
    ),
    "an object in a module of the script is destroyed": "import helper\n",
    "threads end before atexit functions run": (
        "import atexit, threading, time\n"
        "def work():\n"
        "    time.sleep(0.05); print('thread', flush=True)\n"
        "atexit.register(print, 'exit')\n"
        "threading.Thread(target=work).start()\n"
    ),
    "a daemon thread does not delay the end": (
        "import threading\n"
        "def work():\n"
        "    while True: word\n"
        "word = 'x'\n"
        "threading.Thread(target=work, daemon=True).start()\n"
    ),
    "a text as exit code": "raise SystemExit('a word')\n",
    "a large code": "raise SystemExit(256 + 7)\n",
    "a negative code": "raise SystemExit(-1)\n",
    "a boolean code": "raise SystemExit(True)\n",
    "an error in an atexit function": (
        "import atexit\n@atexit.register\ndef f(): raise ValueError('no')\n"
    ),
    "a buffered line without an end": "import sys\nsys.stdout.write('no end')\n",
    "a closed standard output": "import sys\nsys.stdout.close()\n",
    "no standard output": "import sys\nsys.stdout = None\n",
    "another standard output": (
        "import sys\n"
        "class Both:\n"
        "    def write(self, text): sys.__stdout__.write(text)\n"
        "    def flush(self): sys.__stdout__.flush()\n"
        "sys.stdout = Both(); print('x')\n"
    ),
    "a temporary folder is removed": (
        "import tempfile\nf = tempfile.TemporaryDirectory(dir='.', prefix='t')\n"
    ),
    "the working folder has changed": (
        "import os\nos.mkdir('sub'); os.chdir('sub'); import helper\n"
    ),
}
HELPER = (
    "import pathlib\n"
    "class Thing:\n"
    "    def __init__(self): self.path = pathlib.Path('kept').resolve()\n"
    "    def __del__(self): self.path.touch()\n"
    "thing = Thing()\n"
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ForkServer]:
    folder = tmp_path_factory.mktemp("server")
    server = ForkServer(["json"], folder, {"PATH": os.environ["PATH"]}, folder / "log.txt")
    yield server
    server.close()


def work_folder(path: Path, script: str) -> Path:
    path.mkdir(parents=True)
    (path / "script.py").write_text(script, encoding="utf-8")
    (path / "helper.py").write_text(HELPER, encoding="utf-8")
    return path


def files_in(path: Path) -> list[tuple[str, str]]:
    return sorted(
        (str(file.relative_to(path)), file.read_text() if file.is_file() else "")
        for file in path.rglob("*")
        if "__pycache__" not in file.parts
    )


def comparable(log: str) -> list[str]:
    """Return the lines of a log that contain neither addresses nor paths."""
    return [line for line in log.splitlines() if " at 0x" not in line and ".py" not in line]


@pytest.mark.parametrize("script", SCRIPTS.values(), ids=SCRIPTS)
def test_a_script_ends_as_in_a_process_of_its_own(
    server: ForkServer, tmp_path: Path, script: str
) -> None:
    forked = work_folder(tmp_path / "forked" / "wd", script)
    variables = {"PATH": os.environ["PATH"]}
    log = tmp_path / "forked" / "log.txt"
    code = ForkedScript(server, ["script.py"], forked, variables, log).wait(PATIENCE_S)
    own = work_folder(tmp_path / "own" / "wd", script)
    done = subprocess.run(
        [sys.executable, "script.py"],
        cwd=own,
        env=variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert code == done.returncode
    assert files_in(forked) == files_in(own)
    assert comparable(log.read_text()) == comparable(done.stdout)
