"""Run a script in a fork, with the same effects as `python SCRIPT ...`."""

import builtins
import importlib
import os
import shutil
import site
import sys
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

from mnist_exp.workspaces.local.processes.forking.analysis import own_modules
from mnist_exp.workspaces.local.processes.forking.script_exit import INTERRUPTED, leave
from mnist_exp.workspaces.local.processes.job_process import failure_path
from mnist_exp.workspaces.local.processes.python_hook.sitecustomize import (
    hooked,
    record,
    record_immediate_exits,
)


def run(argv: list[str], folder: str, environment: dict[str, str], log: str) -> NoReturn:
    """Run a script as the main program of this process, and end the process.

    Args:
        argv: The script, relative to `folder`, and its arguments.
        folder: The new working directory.
        environment: All environment variables of the script.
        log: The file to which standard output and error are appended.
    """
    output = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    for handle in (1, 2):
        os.dup2(output, handle)
    os.close(output)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    failure = str(failure_path(Path(folder), Path(log)))
    try:
        source = Path(argv[0]).read_bytes()
    except OSError:
        # Let a new Python process report the fault. The user then sees Python's usual message.
        _start_python(argv, failure)
    _enter_environment(environment)
    _reseed()
    _set_start_folder_of_spawned_processes()
    sys.argv = list(argv)
    sys.orig_argv = ["python", *argv]
    # As in Python, `__file__` is the script's absolute path.
    path = os.path.join(os.getcwd(), argv[0])  # noqa: PTH109, PTH118
    own = Path(path).resolve().parent
    # Iterate over the script's own modules. A loop over `sys.modules` would copy memory pages that
    # all forks share.
    namesakes = {name for name in own_modules(own) if name in sys.modules}
    if namesakes & sys.stdlib_module_names:
        # One of the script's modules has the name of a standard library module. Other modules
        # already use the standard library module, so this process cannot replace it.
        _start_python(argv, failure)
    sys.path.insert(0, str(own))
    _forget(namesakes)
    modules = len(sys.modules)
    leave(_execute(source, path, failure), own, modules)


def _enter_environment(environment: dict[str, str]) -> None:
    """Use the trial's virtual environment, to which the first `python` on its PATH belongs.

    The fork server runs in the environment that all trials share. A trial must not change this
    environment, for example with `subprocess.run([sys.executable, "-m", "pip", "install", ...])`.
    """
    python = shutil.which("python", path=environment.get("PATH"))
    prefix = Path(python or sys.executable).parent.parent
    if python is None or str(prefix) == sys.prefix or not (prefix / "pyvenv.cfg").is_file():
        return
    sys.executable, sys.prefix, sys.exec_prefix = python, str(prefix), str(prefix)
    library = f"python{sys.version_info.major}.{sys.version_info.minor}"
    packages = prefix / "lib" / library / "site-packages"
    # Packages that the trial installs come before the shared packages.
    shared = (number for number, path in enumerate(sys.path) if path.endswith("-packages"))
    sys.path.insert(next(shared, len(sys.path)), str(packages))
    _forget_prefix()


def _forget_prefix() -> None:
    """Let the standard library find the folders of the trial's environment.

    The modules have saved the folders of the server's environment. Without this function, pip in
    the trial's process, e.g. `pip.main(["install", ...])`, would install into that environment.
    """
    site.PREFIXES[:] = dict.fromkeys([sys.prefix, sys.exec_prefix])
    # The next call of `site.getusersitepackages` reads the variable PYTHONUSERBASE.
    site.USER_BASE = site.USER_SITE = None
    if sysconfig := sys.modules.get("sysconfig"):
        importlib.reload(sysconfig)
    spawn: Any = sys.modules.get("multiprocessing.spawn")
    if spawn is not None:
        spawn.set_executable(sys.executable)


def _start_python(argv: list[str], failure: str) -> NoReturn:
    """Replace this process by a new process `python SCRIPT ...`."""
    os.execvpe("python", ["python", *argv], hooked(os.environ, failure))  # noqa: S606


def _forget(names: set[str]) -> None:
    """Delete the imported modules with these names, so that the script imports its own modules.

    Args:
        names: Names that both a module of the script and an imported library have.
    """
    for name in list(sys.modules) if names else ():
        if name.partition(".")[0] in names:
            del sys.modules[name]


def _reseed() -> None:
    """Give NumPy's global generator a new seed. Python reseeds its own generator after a fork."""
    numpy_random: Any = sys.modules.get("numpy.random")
    if numpy_random is not None:
        numpy_random.seed()


def _set_start_folder_of_spawned_processes() -> None:
    """Let `multiprocessing` start processes in the script's folder, not in the server's folder."""
    process: Any = sys.modules.get("multiprocessing.process")
    if process is not None:
        process.ORIGINAL_DIR = os.getcwd()  # noqa: PTH109


def _execute(source: bytes, path: str, failure: str) -> object:
    """Run the script, and return its exit code in the form that `leave` expects.

    Args:
        source: The source code of the script.
        path: The absolute path of the script.
        failure: The file in which to record why the script failed.
    """
    module = ModuleType("__main__")
    module.__dict__.update(
        __file__=path,
        __builtins__=builtins,
        __loader__=SourceFileLoader("__main__", path),
        __cached__=None,
    )
    # Keep a reference to the server's main module, because functions of the server's main module
    # still run.
    sys.modules["__forked_from__"], sys.modules["__main__"] = sys.modules["__main__"], module
    if "__mp_main__" in sys.modules:
        # Processes that `multiprocessing` spawns use this name for the main module when they
        # pickle objects.
        sys.modules["__mp_main__"] = module
    record_immediate_exits(failure)
    try:
        exec(compile(source, path, "exec", dont_inherit=True), module.__dict__)  # noqa: S102
    except SystemExit as end:
        record(failure, end)
        return end.code
    except BaseException as error:
        record(failure, error)
        # Remove this function's frame, so that the traceback shows only the script's own lines.
        trace = error.__traceback__.tb_next if error.__traceback__ else None
        try:
            sys.excepthook(type(error), error.with_traceback(trace), trace)
        except SystemExit as end:
            # The script's own `sys.excepthook` ends the process.
            record(failure, end)
            return end.code
        return INTERRUPTED if isinstance(error, KeyboardInterrupt) else 1
    return 0
