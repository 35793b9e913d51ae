"""A fork becomes the program that `python SCRIPT ...` would be."""

import builtins
import os
import sys
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

from mnist_exp.workspaces.local.forking.leaving import INTERRUPTED, leave
from mnist_exp.workspaces.local.forking.namesakes import own_modules


def run(argv: list[str], folder: str, environment: dict[str, str], log: str) -> NoReturn:
    """Run a script in this process, as its main program.

    Args:
        argv: The script, relative to `folder`, and its arguments.
        folder: Becomes the working directory.
        environment: All of its environment.
        log: Gets standard output and error, appended.

    The process ends with the script.
    """
    output = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    for handle in (1, 2):
        os.dup2(output, handle)
    os.close(output)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    try:
        source = Path(argv[0]).read_bytes()
    except OSError:
        # Python itself says best what is wrong with it.
        _start_python(argv)
    _reseed()
    _tell_multiprocessing()
    sys.argv = list(argv)
    sys.orig_argv = ["python", *argv]
    # As Python itself names a script, so that it is found from any folder.
    path = os.path.join(os.getcwd(), argv[0])  # noqa: PTH109, PTH118
    own = Path(path).resolve().parent
    # To look through all that has been imported would copy the memory in which it is shared.
    namesakes = {name for name in own_modules(own) if name in sys.modules}
    if namesakes & sys.stdlib_module_names:
        # Python's own modules are too deep in all others to be imported anew.
        _start_python(argv)
    sys.path.insert(0, str(own))
    _forget(namesakes)
    modules = len(sys.modules)
    leave(_execute(source, path), own, modules)


def _start_python(argv: list[str]) -> NoReturn:
    """Become the plain process that this would be without a server to be forked from."""
    os.execvp("python", ["python", *argv])  # noqa: S606


def _forget(names: set[str]) -> None:
    """Let the script's own modules come before installed ones that have been imported already."""
    for name in list(sys.modules) if names else ():
        if name.partition(".")[0] in names:
            del sys.modules[name]


def _reseed() -> None:
    """Give this process random numbers of its own; Python's own generator sees to itself."""
    numpy_random: Any = sys.modules.get("numpy.random")
    if numpy_random is not None:
        numpy_random.seed()


def _tell_multiprocessing() -> None:
    """Let processes that a script spawns start where the script did, not where the server did."""
    process: Any = sys.modules.get("multiprocessing.process")
    if process is not None:
        process.ORIGINAL_DIR = os.getcwd()  # noqa: PTH109


def _execute(source: bytes, path: str) -> object:
    """Run the script, and return what it wants to leave with."""
    module = ModuleType("__main__")
    module.__dict__.update(
        __file__=path,
        __builtins__=builtins,
        __loader__=SourceFileLoader("__main__", path),
        __cached__=None,
    )
    # The module that was there has to outlive its name: its functions run.
    sys.modules["__forked_from__"], sys.modules["__main__"] = sys.modules["__main__"], module
    if "__mp_main__" in sys.modules:
        # What multiprocessing names it, for what a spawned process sends back.
        sys.modules["__mp_main__"] = module
    try:
        exec(compile(source, path, "exec", dont_inherit=True), module.__dict__)  # noqa: S102
    except SystemExit as end:
        return end.code
    except BaseException as error:
        # Without the line above: the script's own lines are what its author knows.
        trace = error.__traceback__.tb_next if error.__traceback__ else None
        sys.excepthook(type(error), error.with_traceback(trace), trace)
        return INTERRUPTED if isinstance(error, KeyboardInterrupt) else 1
    return 0
