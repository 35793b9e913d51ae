"""How a script in a fork ends: what anybody can notice of it is as at Python's own exit."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mnist_exp.workspaces.local.processes.forking.client import ForkedScript, ForkServer

PATIENCE_S = 60.0

SCRIPTS = {
    "a file that nobody closes is written": "file = open('kept', 'w')\nfile.write('x')\n",
    "so is one in a function's default": (
        "def f(file=open('kept', 'w')): return file\nf().write('x')\n"
    ),
    "an object is let go of, and its module is whole": (
        "import os\n"
        "class Thing:\n"
        "    def __del__(self): os.mkdir('kept')\n"
        "thing = Thing(); thing.itself = thing\n"
    ),
    "so is one in a module of the script's": "import helper\n",
    "threads are waited for, then exits run": (
        "import atexit, threading, time\n"
        "def work():\n"
        "    time.sleep(0.05); print('thread', flush=True)\n"
        "atexit.register(print, 'exit')\n"
        "threading.Thread(target=work).start()\n"
    ),
    "one that nobody waits for does not stop it": (
        "import threading\n"
        "def work():\n"
        "    while True: word\n"
        "word = 'x'\n"
        "threading.Thread(target=work, daemon=True).start()\n"
    ),
    "a last word is an error": "raise SystemExit('a word')\n",
    "a large code": "raise SystemExit(256 + 7)\n",
    "a negative code": "raise SystemExit(-1)\n",
    "a code that is a truth": "raise SystemExit(True)\n",
    "an error in what runs at exit": (
        "import atexit\n@atexit.register\ndef f(): raise ValueError('no')\n"
    ),
    "what waits in standard output": "import sys\nsys.stdout.write('no end')\n",
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
    "the folder is another one by then": (
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


def left_in(path: Path) -> list[tuple[str, str]]:
    return sorted(
        (str(file.relative_to(path)), file.read_text() if file.is_file() else "")
        for file in path.rglob("*")
        if "__pycache__" not in file.parts
    )


def told(log: str) -> list[str]:
    """Return what is in a log, less addresses and paths."""
    return [line for line in log.splitlines() if " at 0x" not in line and ".py" not in line]


@pytest.mark.parametrize("script", SCRIPTS.values(), ids=SCRIPTS)
def test_a_script_leaves_what_it_leaves_in_a_process_of_its_own(
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
    assert left_in(forked) == left_in(own)
    assert told(log.read_text()) == told(done.stdout)
