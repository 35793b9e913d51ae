"""A fork becomes the program that `python SCRIPT ...` would be."""

import builtins
import os
import sys
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Any

__all__ = ["run"]


def run(argv: list[str], folder: str, environment: dict[str, str], log: str) -> None:
    """Run a script in this process, as its main program.

    Args:
        argv: The script, relative to `folder`, and its arguments.
        folder: Becomes the working directory.
        environment: All of its environment.
        log: Gets standard output and error, appended.

    Raises:
        SystemExit: As the script has it, or with 1 when it raised something else.
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
        os.execvp("python", ["python", *argv])  # noqa: S606
    _reseed()
    sys.argv = list(argv)
    sys.orig_argv = ["python", *argv]
    own = Path(argv[0]).resolve().parent
    sys.path.insert(0, str(own))
    _forget_namesakes(own)
    _execute(source, argv[0])


def _forget_namesakes(folder: Path) -> None:
    """Let the script's own modules come before installed ones that have been imported already."""
    own = {path.name.partition(".")[0] for path in folder.iterdir()} - sys.stdlib_module_names
    for name in list(sys.modules):
        if name.partition(".")[0] in own:
            del sys.modules[name]


def _reseed() -> None:
    """Give this process random numbers of its own; Python's own generator sees to itself."""
    numpy_random: Any = sys.modules.get("numpy.random")
    if numpy_random is not None:
        numpy_random.seed()


def _execute(source: bytes, path: str) -> None:
    module = ModuleType("__main__")
    module.__dict__.update(
        __file__=path,
        __builtins__=builtins,
        __loader__=SourceFileLoader("__main__", path),
        __cached__=None,
    )
    # The module that was there has to outlive its name: its functions run.
    sys.modules["__forked_from__"], sys.modules["__main__"] = sys.modules["__main__"], module
    try:
        exec(compile(source, path, "exec"), module.__dict__)  # noqa: S102
    except (SystemExit, KeyboardInterrupt):
        raise
    except BaseException as error:
        # Without the line above: the script's own lines are what its author knows.
        trace = error.__traceback__.tb_next if error.__traceback__ else None
        sys.excepthook(type(error), error.with_traceback(trace), trace)
        raise SystemExit(1) from None
