"""Scripts in forks: each is its own process, as if it had been started by itself."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from mnist_exp.workspaces.local.processes.forking.client import ForkedScript, ForkServer
from mnist_exp.workspaces.local.processes.job_orphans import MARKER, find_processes, of_job
from tests.workspaces.local.factories import FORKED_APART
from tests.workspaces.local.pipes import Pipe

PATIENCE_S = 60.0
LONG_GRACE_S = 200.0
#: A signal that comes just before a longer sleep would be heard only after it.
FOREVER = "import time\nwhile True: time.sleep(0.01)\n"


class Bench:
    """A fork server, and scripts to run in it."""

    def __init__(
        self,
        folder: Path,
        grace_s: float = LONG_GRACE_S,
        preload: Sequence[str] = ("json", "no_such_module"),
        **variables: str,
    ) -> None:
        self.folder = folder / "server"
        self.folder.mkdir()
        self.scripts = folder
        self.log = folder / "log.txt"
        environment = {"PATH": os.environ["PATH"], "PYTHONUNBUFFERED": "1", **variables}
        log = folder / "server.txt"
        self.server = ForkServer(preload, self.folder, environment, log, grace_s)
        self._count = 0

    def start(self, text: str, *arguments: str, **variables: str) -> ForkedScript:
        """Run a script in a folder of its own."""
        self._count += 1
        work = self.scripts / f"job_{self._count}" / "wd"
        work.mkdir(parents=True, exist_ok=True)
        (work / "script.py").write_text(text, encoding="utf-8")
        environment = {MARKER: str(work), **variables}
        argv = ["script.py", *arguments]
        return ForkedScript(self.server, argv, work, environment, self.log)

    def output(self, text: str, *arguments: str, **variables: str) -> list[str]:
        """Run a script to its end and return what it printed."""
        script = self.start(text, *arguments, **variables)
        assert script.wait(PATIENCE_S) == 0, self.log.read_text()
        return self.log.read_text(encoding="utf-8").splitlines()


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., Bench]]:
    made = []

    def make_one(**given: Any) -> Bench:
        made.append(Bench(tmp_path, **given))
        return made[-1]

    yield make_one
    for one in made:
        # A test may have closed it.
        with contextlib.suppress(ProcessLookupError):
            os.kill(one.server.pid, signal.SIGKILL)
        one.server.close()


@pytest.fixture
def bench(make: Callable[..., Bench]) -> Bench:
    return make()


@pytest.fixture
def pipe(tmp_path: Path) -> Iterator[Pipe]:
    pipe = Pipe(tmp_path / "pipe")
    yield pipe
    pipe.close()


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", 0),
        ("import sys; sys.exit(3)", 3),
        ("raise SystemExit('a word')", 1),
        ("1 / 0", 1),
        ("1 +", 1),
        ("import os; os._exit(9)", 9),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", 137),
        ("import os, signal; os.kill(os.getpid(), signal.SIGTERM)", 143),
        ("import os, signal; os.kill(os.getpid(), signal.SIGINT)", 130),
    ],
)
def test_exit_code_is_the_scripts(bench: Bench, text: str, code: int) -> None:
    assert bench.start(text).wait(PATIENCE_S) == code


def test_a_script_sees_what_a_process_of_its_own_would_see(bench: Bench) -> None:
    lines = bench.output(
        "import os, sys\n"
        "print(sys.argv, __name__, __file__, sys.path[0] == os.getcwd())\n"
        "print(os.getcwd() == os.environ['HOME_OF_MINE'], sorted(os.environ)[:1])\n"
        "print(os.getpid() == os.getsid(0) == os.getpgid(0), sys.stdin.read() == '')\n"
        "print(sys.modules['__main__'].__dict__ is globals(), 'json' in sys.modules)\n",
        "--lr",
        "0.1 2",
        HOME_OF_MINE=str(bench.scripts / "job_1" / "wd"),
    )
    path = bench.scripts / "job_1" / "wd" / "script.py"
    assert lines == [
        f"['script.py', '--lr', '0.1 2'] __main__ {path} True",
        f"True ['{MARKER}']",
        "True True",
        "True True",
    ]


def test_both_outputs_are_in_the_log_and_children_see_the_environment(bench: Bench) -> None:
    lines = bench.output(
        "import subprocess, sys\n"
        "print('one'); print('two', file=sys.stderr)\n"
        "subprocess.run(['sh', '-c', 'echo $MINE'], check=True)\n",
        MINE="three",
        PATH=os.environ["PATH"],
    )
    assert lines == ["one", "two", "three"]


def test_an_error_shows_the_scripts_own_lines_alone(bench: Bench) -> None:
    assert bench.start("def f():\n    raise ValueError('no')\nf()\n").wait(PATIENCE_S) == 1
    text = bench.log.read_text(encoding="utf-8")
    path = bench.scripts / "job_1" / "wd" / "script.py"
    assert f'File "{path}", line 3, in <module>' in text
    assert text.splitlines()[-1] == "ValueError: no"
    assert "forking" not in text


#: Each says something of how it was started.
TELLING = [
    "import os, pathlib, sys\nfrom multiprocessing import process\nos.chdir('/')\n"
    "here = pathlib.Path(__file__)\n"
    "print(here, here.is_file(), __loader__.path, sys._getframe().f_code.co_filename)\n"
    "print(process.ORIGINAL_DIR, sys.argv, sys.path[0])\n",
    "import os\nos.chdir('/')\ndef f():\n    return 1 / 0\nf()\n",
    "print(\n",
    "import atexit\natexit.register(print, 'at exit')\nraise KeyboardInterrupt\n",
]


@pytest.mark.parametrize("text", TELLING)
def test_a_script_tells_the_same_of_itself_as_in_a_process_of_its_own(
    make: Callable[..., Bench], text: str
) -> None:
    bench = make(preload=["multiprocessing.process"])
    code = bench.start(text).wait(PATIENCE_S)
    plain = subprocess.run(
        [sys.executable, "script.py"],
        cwd=bench.scripts / "job_1" / "wd",
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    theirs = plain.returncode if plain.returncode >= 0 else 128 - plain.returncode
    assert (code, bench.log.read_text(encoding="utf-8")) == (theirs, plain.stdout)


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_a_script_can_start_processes_of_its_own_in_every_way(
    make: Callable[..., Bench], method: str
) -> None:
    text = (
        "import dataclasses, multiprocessing, os\n"
        "@dataclasses.dataclass\nclass Point:\n    x: int\n"
        "def double(point): return Point(2 * point.x)\n"
        "if __name__ == '__main__':\n    os.chdir('/')\n"
        f"    with multiprocessing.get_context({method!r}).Pool(1) as pool:\n"
        # What comes back is of the script's own class too.
        "        print([point.x for point in pool.map(double, [Point(1), Point(2)])])\n"
    )
    bench = make(preload=["multiprocessing.process"])
    assert bench.output(text, PATH=os.environ["PATH"]) == ["[2, 4]"]


def test_what_is_to_run_at_exit_does_run(bench: Bench) -> None:
    text = "import atexit, threading\natexit.register(print, 'at exit')\n"
    text += "threading.Thread(target=print, args=('thread',)).start()\n"
    assert bench.output(text) == ["thread", "at exit"]


def test_a_module_of_the_users_own_comes_before_an_installed_one(
    make: Callable[..., Bench], tmp_path: Path
) -> None:
    bench = make()
    work = tmp_path / "job_1" / "wd"
    work.mkdir(parents=True)
    # The server has imported this package of ours, and ours is not meant.
    (work / "mnist_exp.py").write_text("word = 'mine'", encoding="utf-8")
    (work / "script.py").write_text("import mnist_exp; print(mnist_exp.word)", encoding="utf-8")
    script = ForkedScript(bench.server, ["script.py"], work, {}, bench.log)
    assert script.wait(PATIENCE_S) == 0, bench.log.read_text()
    assert bench.log.read_text() == "mine\n"


def test_a_module_named_like_one_of_pythons_own_is_what_python_makes_of_it(
    make: Callable[..., Bench], tmp_path: Path
) -> None:
    bench = make(preload=["calendar"])
    work = tmp_path / "job_1" / "wd"
    work.mkdir(parents=True)
    (work / "calendar.py").write_text("word = 'mine'", encoding="utf-8")
    (work / "script.py").write_text("import calendar; print(calendar.word)", encoding="utf-8")
    path = {"PATH": os.environ["PATH"]}
    script = ForkedScript(bench.server, ["script.py"], work, path, bench.log)
    assert script.wait(PATIENCE_S) == 0, bench.log.read_text()
    assert bench.log.read_text() == "mine\n"


@pytest.mark.parametrize("beside", ["sample_module.md", "sample_module", "sample_module/notes.py"])
def test_what_is_only_named_like_a_library_leaves_it_imported(
    make: Callable[..., Bench], tmp_path: Path, beside: str
) -> None:
    (tmp_path / "installed").mkdir()
    (tmp_path / "installed" / "sample_module.py").write_text("import os; pid = os.getpid()")
    bench = make(preload=["sample_module"], PYTHONPATH=str(tmp_path / "installed"))
    path = tmp_path / "job_1" / "wd" / beside
    path.parent.mkdir(parents=True)
    path.touch()
    text = "import os, sample_module; print(sample_module.pid == os.getppid())"
    assert bench.output(text) == ["True"]


@pytest.mark.parametrize("module", ["random", "numpy.random"])
def test_random_numbers_differ_from_fork_to_fork(make: Callable[..., Bench], module: str) -> None:
    bench = make(preload=[module])
    text = f"import {module}; print({module}.random())"
    first = bench.output(text)
    assert len(set(bench.output(text))) == 2, first


def test_the_exit_code_is_kept_for_whoever_comes_later(bench: Bench) -> None:
    bench.start("raise SystemExit(4)").wait(PATIENCE_S)
    assert (bench.scripts / "job_1" / "exit_code").read_text() == "4"


def test_terminate_asks_first_and_what_was_asked_has_not_ended_by_itself(
    bench: Bench, pipe: Pipe
) -> None:
    script = bench.start(
        "import signal, sys\n"
        "signal.signal(signal.SIGTERM, lambda *_: (print('saved'), sys.exit(5)))\n"
        f"with open({str(pipe)!r}, 'w') as out: out.write('here\\n')\n{FOREVER}"
    )
    assert pipe.line() == "here"
    assert script.poll() is None
    script.terminate()
    assert script.wait(PATIENCE_S) == 5
    assert bench.log.read_text() == "saved\n"
    assert not (bench.scripts / "job_1" / "exit_code").exists()


def test_a_script_that_ignores_sigterm_is_killed_with_its_children(
    make: Callable[..., Bench], pipe: Pipe
) -> None:
    bench = make(grace_s=0.1)
    script = bench.start(
        "import signal, subprocess\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        f"out = open({str(pipe)!r}, 'w'); out.write('here\\n'); out.flush()\n"
        "subprocess.Popen(['tail', '-f', '/dev/null'], pass_fds=[out.fileno()])\n" + FOREVER,
        PATH=os.environ["PATH"],
    )
    assert pipe.line() == "here"
    script.close()
    assert script.poll() == 137
    assert pipe.wait_for_end() == ""


def test_a_killed_server_takes_its_scripts_along(bench: Bench, pipe: Pipe) -> None:
    script = bench.start(
        "import subprocess\n"
        f"out = open({str(pipe)!r}, 'w'); out.write('here\\n'); out.flush()\n"
        "subprocess.Popen(['tail', '-f', '/dev/null'], pass_fds=[out.fileno()])\n" + FOREVER,
        PATH=os.environ["PATH"],
        **{MARKER: str(bench.scripts / "job_1" / "wd")},
    )
    assert pipe.line() == "here"
    os.kill(bench.server.pid, signal.SIGKILL)
    assert script.wait(PATIENCE_S) == 137
    assert script.loss == "the process that trials are forked from was killed by signal 9"
    assert bench.server.is_gone
    assert pipe.wait_for_end() == ""
    assert find_processes(str(bench.folder).__eq__) == []


def test_a_server_that_still_imports_ends_with_whoever_has_started_it(
    tmp_path: Path, pipe: Pipe
) -> None:
    module = tmp_path / "slow_library.py"
    module.write_text(
        f"import time\nout = open({str(pipe)!r}, 'w')\nout.write('importing\\n')\nout.flush()\n"
        "for _ in range(3000): time.sleep(0.01)\nout.write('still here')\n",
        encoding="utf-8",
    )
    starter = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys\nfrom pathlib import Path\n"
            "from mnist_exp.workspaces.local.processes.forking.client import ForkServer\n"
            "folder = Path(sys.argv[1])\n"
            "variables = {'PYTHONPATH': str(folder)}\n"
            "ForkServer(['slow_library'], folder, variables, folder / 'log').wait_until_ready()\n",
            str(tmp_path),
        ]
    )
    assert pipe.line() == "importing"
    starter.kill()
    starter.wait()
    assert pipe.wait_for_end() == ""


#: Starts a process in a session of its own, as daemons are; its parent is gone at once.
APART = (
    "import os, subprocess\n"
    "out = open({pipe!r}, 'w')\n"
    "apart = ['sh', '-c', 'setsid tail -f /dev/null &']\n"
    "subprocess.run(apart, env={env}, pass_fds=[out.fileno()], check=True)\n"
    "print('here', file=out, flush=True)\n"
)
#: With nothing of the environment that tells whose it is.
BARE = "{'PATH': os.environ['PATH']}"


@pytest.mark.parametrize("env", ["os.environ", BARE])
def test_what_a_script_has_started_apart_ends_with_it(bench: Bench, pipe: Pipe, env: str) -> None:
    path = {"PATH": os.environ["PATH"]}
    assert bench.start(APART.format(pipe=str(pipe), env=env), **path).wait(PATIENCE_S) == 0
    assert pipe.wait_for_end() == "here\n"


def test_while_others_run_it_is_told_by_its_environment(
    bench: Bench, pipe: Pipe, tmp_path: Path
) -> None:
    path = {"PATH": os.environ["PATH"]}
    other, bare = Pipe(tmp_path / "other"), Pipe(tmp_path / "bare")
    running = bench.start(APART.format(pipe=str(other), env="os.environ") + FOREVER, **path)
    assert other.line() == "here"
    for where, env in ((pipe, "os.environ"), (bare, BARE)):
        script = bench.start(APART.format(pipe=str(where), env=env), **path)
        assert script.wait(PATIENCE_S) == 0
    assert pipe.wait_for_end() == "here\n"
    # The running script's own is left in peace, and nobody knows whose the bare one is.
    assert running.poll() is None
    assert len(_with_open(other.path)) == 2
    bench.server.close()
    assert other.wait_for_end() == ""
    assert bare.wait_for_end() == "here\n"
    other.close()
    bare.close()


def test_a_script_that_waits_for_its_children_does_not_wait_for_what_they_have_left(
    bench: Bench,
) -> None:
    script = bench.start(
        "import os, subprocess\n"
        "subprocess.run('tail -f /dev/null &', shell=True)\n"
        "try: os.wait()\n"
        "except ChildProcessError: raise SystemExit(3)\n",
        PATH=os.environ["PATH"],
    )
    assert script.wait(PATIENCE_S) == 3


def _with_open(path: Path) -> list[str]:
    """Return the processes that have a file open, but for this one."""
    found = set()
    for link in Path("/proc").glob("[0-9]*/fd/*"):
        with contextlib.suppress(OSError):
            if link.readlink() == path:
                found.add(link.parts[2])
    return sorted(found - {str(os.getpid())})


def test_what_a_script_has_only_forked_ends_when_no_script_runs(bench: Bench) -> None:
    assert bench.start(FORKED_APART).wait(PATIENCE_S) == 0
    assert len(find_processes(of_job(bench.folder))) == 1


def test_what_libraries_have_set_as_they_were_imported_stays(
    make: Callable[..., Bench], tmp_path: Path
) -> None:
    library = "import os, warnings\nos.environ |= {'NOTE': 'kept', 'OWN': 'theirs'}\n"
    library += "warnings.filterwarnings('ignore', 'odd')\nwarnings.warn('seen by nobody')\n"
    (tmp_path / "library.py").write_text(library, encoding="utf-8")
    bench = make(preload=["library"], PYTHONPATH=str(tmp_path))
    text = "import os, warnings\nprint(os.environ['NOTE'], os.environ['OWN'])\n"
    assert bench.output(f"{text}warnings.warn('odd')\n", OWN="ours") == ["kept ours"]
    assert (tmp_path / "server.txt").read_text(encoding="utf-8") == ""


def test_a_library_that_was_only_imported_is_not_put_to_work_at_the_end(
    make: Callable[..., Bench],
) -> None:
    bench = make(preload=["tensorflow~keras"], TF_CPP_MIN_LOG_LEVEL="0")
    # TensorFlow starts threads, and greets, with its first operation.
    text = "import atexit, os\natexit.register(lambda: print(len(os.listdir('/proc/self/task'))))\n"
    assert bench.output(text) == ["1"]
    # What a script has it keep is written.
    writes = "import tensorflow as tf\ntf.summary.create_file_writer('logs').set_as_default()\n"
    writes += "tf.summary.write('a name', 0.5, step=1)\n"
    assert bench.start(writes).wait(PATIENCE_S) == 0
    (events,) = (bench.scripts / "job_2" / "wd" / "logs").iterdir()
    assert b"a name" in events.read_bytes()


def test_a_library_that_cannot_be_imported_is_left_to_the_script(bench: Bench) -> None:
    assert bench.server.wait_until_ready()
    assert "no_such_module cannot be imported" in (bench.scripts / "server.txt").read_text()


def test_the_folder_of_the_server_is_no_place_to_import_from(bench: Bench) -> None:
    text = "import sys; print([p for p in sys.path if p.endswith('forking')])"
    assert bench.output(text) == ["[]"]
