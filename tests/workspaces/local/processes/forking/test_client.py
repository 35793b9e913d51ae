"""Scripts in forks. Each behaves as if it had been started as a process of its own."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from mnist_exp.workspaces.local.environments.interpreter import this_interpreter
from mnist_exp.workspaces.local.environments.throwaway import create_throwaway
from mnist_exp.workspaces.local.processes.forking.client import ForkedScript, ForkServer
from mnist_exp.workspaces.local.processes.job_orphans import MARKER, find_processes, of_job
from tests.support.files import write_file
from tests.support.small_jobs import FORKED_APART
from tests.support.waiting import eventually
from tests.workspaces.local.pipes import Pipe

PATIENCE_S = 60.0
LONG_GRACE_S = 200.0
#: Short sleeps: a signal just before a long sleep would be handled only after this sleep.
FOREVER = "import time\nwhile True: time.sleep(0.01)\n"
PATH = {"PATH": os.environ["PATH"]}
#: Imported by the server that most tests share.
MODULES = (
    "json",
    "no_such_module",
    "calendar",
    "multiprocessing.spawn",
    "random",
    "numpy.random",
)


class ScriptRunner:
    """Runs scripts in a fork server, each in a folder of its own."""

    def __init__(
        self,
        folder: Path,
        grace_s: float = LONG_GRACE_S,
        preload: Sequence[str] = ("json",),
        **variables: str,
    ) -> None:
        self.folder = folder / "server"
        self.folder.mkdir()
        self.server_log = folder / "server.txt"
        environment = {**PATH, "PYTHONUNBUFFERED": "1", **variables}
        self.server = ForkServer(preload, self.folder, environment, self.server_log, grace_s)
        self._scripts = folder
        self._count = 0
        #: Working folder and log of the script that was started last.
        self.work = self.log = folder

    def start(
        self, text: str, *arguments: str, beside: Mapping[str, str] | None = None, **variables: str
    ) -> ForkedScript:
        """Start a script; `beside` gives the other files of its folder."""
        self._count += 1
        self.work = self._scripts / f"job_{self._count}" / "wd"
        self.log = self.work.parent / "log.txt"
        for name, content in {"script.py": text, **(beside or {})}.items():
            write_file(self.work / name, content)
        environment = {MARKER: str(self.work), **variables}
        argv = ["script.py", *arguments]
        return ForkedScript(self.server, argv, self.work, environment, self.log)

    def output(self, text: str, *arguments: str, **options: Any) -> list[str]:
        """Run a script to its end and return the lines that it printed."""
        script = self.start(text, *arguments, **options)
        assert script.wait(PATIENCE_S) == 0, self.log.read_text()
        return self.log.read_text(encoding="utf-8").splitlines()

    def close(self) -> None:
        """Kill the server, which a test may have closed already."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.server.pid, signal.SIGKILL)
        self.server.close()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ScriptRunner]:
    """The runner of all tests that leave its server running."""
    runner = ScriptRunner(tmp_path_factory.mktemp("shared"), preload=MODULES)
    yield runner
    runner.close()


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., ScriptRunner]]:
    """A function that creates a runner for one test."""
    made = []

    def make_one(**options: Any) -> ScriptRunner:
        made.append(ScriptRunner(tmp_path, **options))
        return made[-1]

    yield make_one
    for runner in made:
        runner.close()


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
def test_exit_code_is_the_scripts(shared: ScriptRunner, text: str, code: int) -> None:
    assert shared.start(text).wait(PATIENCE_S) == code


def test_a_script_sees_what_a_process_of_its_own_would_see(shared: ScriptRunner) -> None:
    lines = shared.output(
        "import os, sys\n"
        "print(sys.argv, __name__, __file__, sys.path[0] == os.getcwd())\n"
        f"print(os.getcwd() == os.environ[{MARKER!r}], sorted(os.environ)[:1])\n"
        "print(os.getpid() == os.getsid(0) == os.getpgid(0), sys.stdin.read() == '')\n"
        "print(sys.modules['__main__'].__dict__ is globals(), 'json' in sys.modules)\n",
        "--lr",
        "0.1 2",
    )
    assert lines == [
        f"['script.py', '--lr', '0.1 2'] __main__ {shared.work / 'script.py'} True",
        f"True ['{MARKER}']",
        "True True",
        "True True",
    ]


def test_both_outputs_are_in_the_log_and_children_see_the_environment(
    shared: ScriptRunner,
) -> None:
    lines = shared.output(
        "import subprocess, sys\n"
        "print('one'); print('two', file=sys.stderr)\n"
        "subprocess.run(['sh', '-c', 'echo $MINE'], check=True)\n",
        MINE="three",
        **PATH,
    )
    assert lines == ["one", "two", "three"]


def test_an_error_shows_only_the_scripts_own_lines(shared: ScriptRunner) -> None:
    assert shared.start("def f():\n    raise ValueError('no')\nf()\n").wait(PATIENCE_S) == 1
    text = shared.log.read_text(encoding="utf-8")
    assert f'File "{shared.work / "script.py"}", line 3, in <module>' in text
    assert text.splitlines()[-1] == "ValueError: no"
    assert "forking" not in text


#: Scripts whose output depends on how they were started.
SELF_REPORTS = [
    "import os, pathlib, sys\nfrom multiprocessing import process\nos.chdir('/')\n"
    "here = pathlib.Path(__file__)\n"
    "print(here, here.is_file(), __loader__.path, sys._getframe().f_code.co_filename)\n"
    "print(process.ORIGINAL_DIR, sys.argv, sys.path[0])\n",
    "import os\nos.chdir('/')\ndef f():\n    return 1 / 0\nf()\n",
    "print(\n",
    "import atexit\natexit.register(print, 'at exit')\nraise KeyboardInterrupt\n",
]


@pytest.mark.parametrize("text", SELF_REPORTS)
def test_a_script_prints_the_same_as_in_a_process_of_its_own(
    shared: ScriptRunner, text: str
) -> None:
    code = shared.start(text).wait(PATIENCE_S)
    plain = subprocess.run(
        [sys.executable, "script.py"],
        cwd=shared.work,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    plain_code = plain.returncode if plain.returncode >= 0 else 128 - plain.returncode
    assert (code, shared.log.read_text(encoding="utf-8")) == (plain_code, plain.stdout)


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_a_script_can_start_processes_with_multiprocessing(
    shared: ScriptRunner, method: str
) -> None:
    text = (
        "import dataclasses, multiprocessing, os\n"
        "@dataclasses.dataclass\nclass Point:\n    x: int\n"
        "def double(point): return Point(2 * point.x)\n"
        "if __name__ == '__main__':\n    os.chdir('/')\n"
        f"    with multiprocessing.get_context({method!r}).Pool(1) as pool:\n"
        # The processes send objects of the script's own class back.
        "        print([point.x for point in pool.map(double, [Point(1), Point(2)])])\n"
    )
    assert shared.output(text, **PATH) == ["[2, 4]"]


def test_a_script_finds_the_folders_of_its_own_environment(
    shared: ScriptRunner, tmp_path: Path
) -> None:
    script = (
        "import multiprocessing.spawn as spawn, site, sysconfig\n"
        "print(spawn.get_executable(), site.getsitepackages(), site.getusersitepackages())\n"
        "print(sysconfig.get_paths(), sysconfig.get_config_var('base'))\n"
    )
    variables = create_throwaway(this_interpreter(), tmp_path / "environment")
    lines = shared.output(script, **variables)
    own = subprocess.run(
        ["python", "script.py"],
        cwd=shared.work,
        env=variables,
        capture_output=True,
        text=True,
        check=True,
    )
    assert lines == own.stdout.splitlines()
    assert lines[0].count(str(tmp_path / "environment")) == 3


def test_threads_and_atexit_functions_run_at_the_end(shared: ScriptRunner) -> None:
    text = "import atexit, threading\natexit.register(print, 'at exit')\n"
    text += "threading.Thread(target=print, args=('thread',)).start()\n"
    assert shared.output(text) == ["thread", "at exit"]


def test_a_module_of_the_script_replaces_an_imported_library(shared: ScriptRunner) -> None:
    # The server has imported this project's package of the same name.
    own = {"mnist_exp.py": "word = 'mine'"}
    assert shared.output("import mnist_exp; print(mnist_exp.word)", beside=own) == ["mine"]


def test_a_module_of_the_script_replaces_one_of_the_standard_library(
    shared: ScriptRunner,
) -> None:
    own = {"calendar.py": "word = 'mine'"}
    assert shared.output("import calendar; print(calendar.word)", beside=own, **PATH) == ["mine"]


@pytest.fixture(scope="module")
def with_library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ScriptRunner]:
    """A runner whose server has imported an installed library."""
    folder = tmp_path_factory.mktemp("with_library")
    (folder / "sample_module.py").write_text("import os; pid = os.getpid()")
    runner = ScriptRunner(folder, preload=["sample_module"], PYTHONPATH=str(folder))
    yield runner
    runner.close()


@pytest.mark.parametrize("beside", ["sample_module.md", "sample_module", "sample_module/notes.py"])
def test_a_file_named_like_a_library_does_not_replace_it(
    with_library: ScriptRunner, beside: str
) -> None:
    text = "import os, sample_module; print(sample_module.pid == os.getppid())"
    assert with_library.output(text, beside={beside: ""}) == ["True"]


@pytest.mark.parametrize("module", ["random", "numpy.random"])
def test_random_numbers_differ_from_fork_to_fork(shared: ScriptRunner, module: str) -> None:
    text = f"import {module}; print({module}.random())"
    assert shared.output(text) != shared.output(text)


def test_the_exit_code_is_kept_in_a_file(shared: ScriptRunner) -> None:
    shared.start("raise SystemExit(4)").wait(PATIENCE_S)
    assert (shared.work.parent / "exit_code").read_text() == "4"


def test_a_terminated_script_can_save_and_keeps_no_exit_code(
    shared: ScriptRunner, pipe: Pipe
) -> None:
    script = shared.start(
        "import signal, sys\n"
        "signal.signal(signal.SIGTERM, lambda *_: (print('saved'), sys.exit(5)))\n"
        f"with open({str(pipe)!r}, 'w') as out: out.write('here\\n')\n{FOREVER}"
    )
    assert pipe.line() == "here"
    assert script.poll() is None
    script.terminate()
    assert script.wait(PATIENCE_S) == 5
    assert shared.log.read_text() == "saved\n"
    assert not (shared.work.parent / "exit_code").exists()


def test_a_script_that_ignores_sigterm_is_killed_with_its_children(
    make: Callable[..., ScriptRunner], pipe: Pipe
) -> None:
    script = make(grace_s=0.1).start(
        "import signal, subprocess\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        f"out = open({str(pipe)!r}, 'w'); out.write('here\\n'); out.flush()\n"
        "subprocess.Popen(['tail', '-f', '/dev/null'], pass_fds=[out.fileno()])\n" + FOREVER,
        **PATH,
    )
    assert pipe.line() == "here"
    script.close()
    assert script.poll() == 137
    assert pipe.wait_for_end() == ""


def test_a_killed_server_takes_its_scripts_along(
    make: Callable[..., ScriptRunner], pipe: Pipe
) -> None:
    runner = make()
    script = runner.start(
        "import subprocess\n"
        f"out = open({str(pipe)!r}, 'w'); out.write('here\\n'); out.flush()\n"
        "subprocess.Popen(['tail', '-f', '/dev/null'], pass_fds=[out.fileno()])\n" + FOREVER,
        **PATH,
    )
    assert pipe.line() == "here"
    os.kill(runner.server.pid, signal.SIGKILL)
    assert script.wait(PATIENCE_S) == 137
    assert script.lost_reason == "the process that jobs are forked from was killed by signal 9"
    assert runner.server.has_ended
    assert pipe.wait_for_end() == ""
    eventually(lambda: not find_processes(str(runner.folder).__eq__))


def test_a_server_that_still_imports_ends_with_its_starter(tmp_path: Path, pipe: Pipe) -> None:
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


#: Starts an orphan process in a session of its own, as daemons are started.
APART = (
    "import os, subprocess\n"
    "out = open({pipe!r}, 'w')\n"
    "apart = ['sh', '-c', 'setsid tail -f /dev/null &']\n"
    "subprocess.run(apart, env={env}, pass_fds=[out.fileno()], check=True)\n"
    "print('here', file=out, flush=True)\n"
)
#: An environment without the variable that names the job.
BARE = "{'PATH': os.environ['PATH']}"


@pytest.mark.parametrize("env", ["os.environ", BARE])
def test_an_orphan_process_ends_with_its_script(shared: ScriptRunner, pipe: Pipe, env: str) -> None:
    script = shared.start(APART.format(pipe=str(pipe), env=env), **PATH)
    assert script.wait(PATIENCE_S) == 0
    assert pipe.wait_for_end() == "here\n"


def test_while_other_scripts_run_orphans_are_told_apart_by_their_environment(
    make: Callable[..., ScriptRunner], pipe: Pipe, tmp_path: Path
) -> None:
    runner = make()
    other, bare = Pipe(tmp_path / "other"), Pipe(tmp_path / "bare")
    running = runner.start(APART.format(pipe=str(other), env="os.environ") + FOREVER, **PATH)
    assert other.line() == "here"
    for where, env in ((pipe, "os.environ"), (bare, BARE)):
        script = runner.start(APART.format(pipe=str(where), env=env), **PATH)
        assert script.wait(PATIENCE_S) == 0
    assert pipe.wait_for_end() == "here\n"
    # The orphan of the running script stays. The bare one stays too: its script is not known.
    assert running.poll() is None
    assert len(_with_open(other.path)) == 2
    runner.server.close()
    assert other.wait_for_end() == ""
    assert bare.wait_for_end() == "here\n"
    other.close()
    bare.close()


def test_os_wait_in_a_script_does_not_wait_for_orphans(shared: ScriptRunner) -> None:
    script = shared.start(
        "import os, subprocess\n"
        "subprocess.run('tail -f /dev/null &', shell=True)\n"
        "try: os.wait()\n"
        "except ChildProcessError: raise SystemExit(3)\n",
        **PATH,
    )
    assert script.wait(PATIENCE_S) == 3


def _with_open(path: Path) -> list[str]:
    """Return the other processes that have a file open."""
    found = set()
    for process in Path("/proc").glob("[0-9]*"):
        # A process may end during the search.
        with contextlib.suppress(OSError):
            if path in map(Path.readlink, (process / "fd").iterdir()):
                found.add(process.name)
    return sorted(found - {str(os.getpid())})


def test_a_forked_orphan_process_ends_when_no_script_runs(shared: ScriptRunner) -> None:
    assert shared.start(FORKED_APART).wait(PATIENCE_S) == 0
    assert len(find_processes(of_job(shared.folder))) == 1


def test_scripts_keep_variables_and_warning_filters_of_imported_libraries(
    make: Callable[..., ScriptRunner], tmp_path: Path
) -> None:
    library = "import os, warnings\nos.environ |= {'NOTE': 'kept', 'OWN': 'theirs'}\n"
    library += "warnings.filterwarnings('ignore', 'odd')\nwarnings.warn('seen by nobody')\n"
    library += "import sys; print('by C++', file=sys.stderr)\n"
    (tmp_path / "broken.py").write_text(f"{library}import nothing", encoding="utf-8")
    (tmp_path / "library.py").write_text(library, encoding="utf-8")
    variables = {"PYTHONPATH": str(tmp_path), "TF_CPP_MIN_LOG_LEVEL": "2"}
    runner = make(preload=["broken", "library"], **variables)
    text = "import os, warnings\nprint(os.environ['NOTE'], os.environ['OWN'])\n"
    assert runner.output(f"{text}warnings.warn('odd')\n", OWN="ours") == ["kept ours"]
    assert runner.server_log.read_text(encoding="utf-8").splitlines() == [
        "by C++",
        "broken cannot be imported here: No module named 'nothing'",
    ]


def test_tensorflow_writes_its_summaries_and_starts_no_thread_at_the_end(
    make: Callable[..., ScriptRunner],
) -> None:
    runner = make(preload=["tensorflow~keras"], TF_CPP_MIN_LOG_LEVEL="0")
    # TensorFlow starts threads and prints a greeting at its first operation.
    text = "import atexit, os\natexit.register(lambda: print(len(os.listdir('/proc/self/task'))))\n"
    assert runner.output(text) == ["1"]
    writes = "import tensorflow as tf\ntf.summary.create_file_writer('logs').set_as_default()\n"
    writes += "tf.summary.write('a name', 0.5, step=1)\n"
    assert runner.start(writes).wait(PATIENCE_S) == 0
    (events,) = (runner.work / "logs").iterdir()
    assert b"a name" in events.read_bytes()


def test_the_server_survives_a_failed_import(shared: ScriptRunner) -> None:
    assert shared.server.wait_until_ready()
    assert "no_such_module cannot be imported" in shared.server_log.read_text()


def test_scripts_do_not_import_from_the_servers_folder(shared: ScriptRunner) -> None:
    text = "import sys; print([p for p in sys.path if p.endswith('forking')])"
    assert shared.output(text) == ["[]"]
