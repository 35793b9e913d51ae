"""Scripts that are forked from a process with TensorFlow and MLflow imported.

A cold trainer spends most of a short run on these imports. Tests of start-up and of kills at any
moment use cold processes, all others use these.
"""

import multiprocessing
import os
import runpy
import sys
from collections.abc import Mapping
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Self

TRAINER = Path(__file__).parents[2] / "trainer"
_CONTEXT = multiprocessing.get_context("forkserver")


def start_fork_server() -> None:
    """Start the process that scripts are forked from; it ends with this process."""
    before = os.environ.get("PYTHONPATH")
    # Python 3.11's fork server does not take over sys.path before it imports.
    os.environ["PYTHONPATH"] = os.pathsep.join([str(TRAINER), str(TRAINER.parent)])
    try:
        _CONTEXT.set_forkserver_preload(["tests.trainer.preload"])
        forkserver.ensure_running()
    finally:
        if before is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = before


class ForkedScript:
    """A run of a script of the trainer, used like a `subprocess.Popen` with text pipes.

    Args:
        command: The script's path and its arguments.
        folder: The working directory.
        environment: All environment variables.
    """

    def __init__(self, command: list[str], folder: Path, environment: Mapping[str, str]) -> None:
        (stdout, to_stdout), (stderr, to_stderr) = _CONTEXT.Pipe(False), _CONTEXT.Pipe(False)
        self._process = _CONTEXT.Process(
            target=_run, args=(command, str(folder), dict(environment), to_stdout, to_stderr)
        )
        self._process.start()
        self.stdout, self.stderr = _text(stdout), _text(stderr)
        for connection in (stdout, stderr, to_stdout, to_stderr):
            connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stdout.close()
        self.stderr.close()
        self._process.join()

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def poll(self) -> int | None:
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        os.kill(self._process.pid, number)

    def terminate(self) -> None:
        self._process.terminate()

    def kill(self) -> None:
        self._process.kill()

    def read_until(self, text: str) -> None:
        """Read stdout up to the line with this text."""
        for line in self.stdout:
            if text in line:
                return
        raise AssertionError(f"ended before {text!r}: {self.stderr.read()}")

    def communicate(self) -> tuple[str, str]:
        """Read the rest of the output and wait for the process's end."""
        with self.stdout, self.stderr:
            said = self.stdout.read(), self.stderr.read()
        self._process.join()
        return said


def _text(connection: Connection):
    return os.fdopen(os.dup(connection.fileno()), encoding="utf-8")


def _run(
    command: list[str],
    folder: str,
    environment: dict[str, str],
    stdout: Connection,
    stderr: Connection,
) -> None:
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    os.dup2(stdout.fileno(), 1)
    os.dup2(stderr.fileno(), 2)
    stdout.close()
    stderr.close()
    sys.argv = command
    sys.path[:0] = [str(TRAINER)]
    runpy.run_path(command[0], run_name="__main__")
