"""Why a Python process failed, as the process itself records it."""

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mnist_exp.workspaces.local.processes.forking.client import ForkedScript, ForkServer
from mnist_exp.workspaces.local.processes.job_process import JobProcess, failure_path
from mnist_exp.workspaces.local.processes.python_hook.sitecustomize import describe

PATIENCE_S = 60.0
ENVIRONMENT = {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}

CAUGHT_EXIT = (
    "try:\n  try: int('x')\n  except ValueError: raise SystemExit(1)\n"
    "except SystemExit as error: kept = error"
)
#: Name -> script, exit code, recorded text.
SCRIPTS = {
    "an exception after a caught exit": (
        f"{CAUGHT_EXIT}\nopen('/none')",
        1,
        "FileNotFoundError: [Errno 2] No such file or directory: '/none'",
    ),
    "an exit without a cause after a caught exit": (f"{CAUGHT_EXIT}\nraise SystemExit(1)", 1, None),
    "an exception": ("raise ValueError('no digit')", 1, "ValueError: no digit"),
    "no text": ("raise NotImplementedError", 1, "NotImplementedError"),
    "a name of one's own": ("class Stop(Exception): pass\nraise Stop('x')", 1, "Stop: x"),
    "sys.exit with a text": ("import sys; sys.exit('no digits')", 1, "no digits"),
    "output after the exception": (
        "import atexit; atexit.register(print, 'bye')\nraise ValueError('x')",
        1,
        "ValueError: x",
    ),
    "another excepthook": (
        "import sys; sys.excepthook = lambda *_: print('own')\nraise ValueError('x')",
        1,
        "ValueError: x",
    ),
    "several lines": ("raise ValueError('a\\n\\n  b')", 1, "ValueError: a b"),
    "bytes in the message": ("raise ValueError('\\udc80')", 1, "ValueError: \\udc80"),
    "an interrupt": ("raise KeyboardInterrupt", 130, "KeyboardInterrupt"),
    "a group": (
        "raise ExceptionGroup('many', [ValueError('a'), OSError('b')])",
        1,
        "ExceptionGroup: many (2 sub-exceptions): ValueError: a; OSError: b",
    ),
    "a cause": (
        "raise RuntimeError('outer') from KeyError('x')",
        1,
        "RuntimeError: outer, caused by KeyError: 'x'",
    ),
    "its own cause": ("e = ValueError('x'); raise e from e", 1, "ValueError: x"),
    "an exit that is its own cause": ("e = SystemExit(3); raise e from e", 3, None),
    "a note": (
        "e = ValueError('x'); e.add_note('look here'); raise e",
        1,
        "ValueError: x look here",
    ),
    "an exception in another process": (
        "import multiprocessing\n"
        "def f(x): raise KeyError(x)\n"
        "if __name__ == '__main__':\n"
        "  with multiprocessing.get_context('fork').Pool(1) as pool: pool.map(f, [1])",
        1,
        "KeyError: 1",
    ),
    "an exception in a process of an executor": (
        "from concurrent.futures import ProcessPoolExecutor\n"
        "def f(x): raise KeyError(x)\n"
        "if __name__ == '__main__':\n"
        "  with ProcessPoolExecutor(1) as pool: list(pool.map(f, [1]))",
        1,
        "KeyError: 1",
    ),
    "a raised exit with a cause": (
        "try: 1 / 0\nexcept Exception as error: raise SystemExit(2) from error",
        2,
        "ZeroDivisionError: division by zero",
    ),
    "a raised exit of a class of one's own": (
        "class Stop(SystemExit): pass\ntry: 1 / 0\nexcept ZeroDivisionError: raise Stop(4)",
        4,
        "ZeroDivisionError: division by zero",
    ),
    "a raised exit without a cause": ("raise SystemExit(2)", 2, None),
    "another excepthook that exits": (
        "import sys\nsys.excepthook = lambda *_: sys.exit(3)\n1 / 0",
        3,
        "ZeroDivisionError: division by zero",
    ),
    "another excepthook that exits immediately": (
        "import os, sys\nsys.excepthook = lambda *_: os._exit(3)\n1 / 0",
        3,
        "ZeroDivisionError: division by zero",
    ),
    "a later exception": (
        "try: 1 / 0\nexcept ZeroDivisionError: raise ValueError('later')",
        1,
        "ValueError: later",
    ),
    "a message that fails": (
        "class Own(Exception):\n  def __str__(self): raise ValueError\nraise Own",
        1,
        "Own: its message cannot be shown",
    ),
    "a syntax error": ("x = (", 1, "SyntaxError: '(' was never closed (script.py, line 1)"),
    "a number": ("import sys; sys.exit(3)", 3, None),
    "no failure": ("try: 1 / 0\nexcept ZeroDivisionError: pass", 0, None),
    "a text whose exit was caught": (
        "import sys\ntry: sys.exit('x')\nexcept SystemExit: pass",
        0,
        None,
    ),
    "an exit of a thread": (
        "import sys, threading\n"
        "t = threading.Thread(target=sys.exit, args=('x',)); t.start(); t.join()",
        0,
        None,
    ),
    "a text, and a long end": (
        "import sys\ntry: sys.exit('x')\nfinally:\n  import gc, json; gc.collect()",
        1,
        "x",
    ),
    "an exit that was caught": (
        "import sys\ntry: sys.exit('x')\nexcept SystemExit: sys.exit(4)",
        4,
        "x",
    ),
    "a number while an exception is handled": (
        "import sys\ntry: 1 / 0\nexcept ZeroDivisionError: sys.exit(3)",
        3,
        "ZeroDivisionError: division by zero",
    ),
    "a negative number": (
        "import sys\ntry: raise NotImplementedError\nexcept Exception: sys.exit(-1)",
        255,
        "NotImplementedError",
    ),
    "success while an exception is handled": (
        "import sys\ntry: 1 / 0\nexcept ZeroDivisionError: sys.exit(0)",
        0,
        None,
    ),
    "an exception with only the number, as click raises it": (
        "import sys\ntry:\n  try: int('x')\n  except ValueError: raise RuntimeError(1)\n"
        "except RuntimeError: sys.exit(1)",
        1,
        "ValueError: invalid literal for int() with base 10: 'x'",
    ),
    "argparse": (
        "import argparse\np = argparse.ArgumentParser(); p.add_argument('--n', type=int)\n"
        "p.parse_args(['--n', 'x'])",
        2,
        "ArgumentError: argument --n: invalid int value: 'x'",
    ),
    "the function exit with a text": ("exit('no digits')", 1, "no digits"),
    "the function quit with a number": (
        "try: 1 / 0\nexcept ZeroDivisionError: quit(5)",
        5,
        "ZeroDivisionError: division by zero",
    ),
    "an immediate exit": (
        "import os\ntry: 1 / 0\nexcept ZeroDivisionError: os._exit(6)",
        6,
        "ZeroDivisionError: division by zero",
    ),
    "an immediate exit without an exception": ("import os; os._exit(6)", 6, None),
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ForkServer]:
    folder = tmp_path_factory.mktemp("server")
    server = ForkServer(["json"], folder, ENVIRONMENT, folder / "log.txt")
    yield server
    server.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "job" / "wd"
    path.mkdir(parents=True)
    return path


def run(command: str, folder: Path, **variables: str) -> int:
    log = folder.parent / "std_log.txt"
    process = JobProcess(command, folder, {**ENVIRONMENT, **variables}, log)
    code = process.wait(PATIENCE_S)
    process.close()
    return code


def recorded(folder: Path, code: int) -> str | None:
    path = failure_path(folder, folder.parent / "std_log.txt")
    if not path.exists():
        return None
    first, _, text = path.read_text(encoding="utf-8").partition("\n")
    return text if first == str(code) else None


@pytest.mark.parametrize(("script", "code", "text"), SCRIPTS.values(), ids=SCRIPTS)
def test_a_process_records_why_it_failed(folder: Path, script: str, code: int, text: str) -> None:
    (folder / "script.py").write_text(script, encoding="utf-8")
    assert run("python script.py", folder) == code
    assert recorded(folder, code) == text
    if code == 0:
        # Behind a pipe, the exit code is unknown, and any record counts as a failure.
        assert not failure_path(folder, folder.parent / "std_log.txt").exists()


@pytest.mark.parametrize(("script", "code", "text"), SCRIPTS.values(), ids=SCRIPTS)
def test_a_fork_records_why_it_failed(
    server: ForkServer, folder: Path, script: str, code: int, text: str
) -> None:
    (folder / "script.py").write_text(script, encoding="utf-8")
    log = folder.parent / "std_log.txt"
    assert ForkedScript(server, ["script.py"], folder, ENVIRONMENT, log).wait(PATIENCE_S) == code
    assert recorded(folder, code) == text


@pytest.mark.parametrize(
    "command",
    [
        "python -c {}",
        "set -o pipefail; python -c {} | cat",
        "set -e; python -c {}; true",
        "export PYTHONPATH=$PYTHONPATH:more; python -c {}",
        "(python -c {})",
    ],
)
def test_the_process_may_be_part_of_a_shell_command(folder: Path, command: str) -> None:
    line = command.format(shlex.quote("raise ValueError('x')"))
    assert run(line, folder) == 1
    assert recorded(folder, 1) == "ValueError: x"


@pytest.mark.parametrize("command", ["python -c {}", "python -m script"])
@pytest.mark.parametrize(
    ("end", "code", "text"),
    [
        ("", 0, None),
        ("; raise SystemExit(5)", 5, None),
        ("; sys.exit(6)", 6, None),
        ("; sys.exit('y')", 1, "y"),
        ("; raise ValueError('z')", 1, "ValueError: z"),
    ],
)
@pytest.mark.parametrize("first", ["sys.exit('x')", "exit('x')"])
def test_a_caught_exit_of_a_command_or_module_is_no_reason(
    folder: Path, command: str, first: str, end: str, code: int, text: str | None
) -> None:
    """Unlike `python FILE`, these forms flush no stream before Python's exit."""
    script = (
        "import pickle, sys\n"
        f"try: {first}\nexcept SystemExit as error: pickle.dumps(error)\npass{end}"
    )
    (folder / "script.py").write_text(script, encoding="utf-8")
    assert run(command.format(shlex.quote(script)), folder) == code
    assert recorded(folder, code) == text
    assert code or not failure_path(folder, folder.parent / "std_log.txt").exists()


def test_another_process_than_the_last_gives_no_reason(folder: Path) -> None:
    assert run("python -c 'raise ValueError' || exit 7", folder) == 7
    assert recorded(folder, 7) is None


def test_a_script_does_not_see_the_hook(folder: Path) -> None:
    script = "import json, os, sys; print(json.dumps([dict(os.environ), sys.path]))"
    (folder / "script.py").write_text(script, encoding="utf-8")
    variables = {**ENVIRONMENT, "PYTHONPATH": "mine"}
    assert run("exec python script.py", folder, PYTHONPATH="mine") == 0
    hooked = json.loads((folder.parent / "std_log.txt").read_text(encoding="utf-8"))
    plain = subprocess.run(
        ["bash", "-c", "exec python script.py"],
        cwd=folder,
        env=variables,
        capture_output=True,
        check=True,
    )
    assert hooked == json.loads(plain.stdout)


def test_a_sitecustomize_of_the_job_still_runs(folder: Path) -> None:
    (folder / "own").mkdir()
    (folder / "own" / "sitecustomize.py").write_text("print('own', __name__)\n", encoding="utf-8")
    assert run("python -c 'raise ValueError'", folder, PYTHONPATH="own") == 1
    log = (folder.parent / "std_log.txt").read_text(encoding="utf-8")
    assert "own sitecustomize\n" in log
    assert recorded(folder, 1) == "ValueError"


def test_the_places_in_a_graph_are_left_out() -> None:
    message = (
        "Graph execution error:\n\nDetected at node loss/Softmax defined at (most recent call "
        'last):\n  File "t.py", line 9, in <module>\n    model.fit(x)\n\n'
        "Received a label value of 25.\n\t [[{{node loss/Softmax}}]] [Op:__inference_1]"
    )
    assert describe(ValueError(message)) == (
        "ValueError: Graph execution error: Received a label value of 25."
    )
