"""Run a stage in the background, for `wait=false` on this machine.

The command that the user sees checks the config and starts a second process, which runs the stage.
The second process has its own session and no terminal. It therefore continues after the command has
ended, and after the terminal was closed. The output of the second process goes to a file in the run
folder.

The config may contain secrets. The second process reads the config from a pipe, because other users
can read the arguments of a process, and a file would keep the secrets.
"""

import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from mnist_exp.cli.error_output import ERROR, QUOTED
from mnist_exp.errors import JobError
from mnist_exp.experiment import Experiment
from mnist_exp.file_locks import is_locked
from mnist_exp.interrupts import handle_signal
from mnist_exp.records import (
    COMMAND_LOCK,
    COMMAND_LOG,
    RECORD_NAME,
    Record,
    load_record,
    shown_path,
)
from mnist_exp.stages import StageContext, StageRunner
from mnist_exp.status import JobStatus

#: The module that the second process runs.
_MODULE = "mnist_exp.cli.background_process"
#: Seconds between two looks at the job.
_POLL_S = 0.02


@dataclass(frozen=True)
class BackgroundStage:
    """What the second process needs to run the stage.

    Attributes:
        config: The checked config. `config.run` is the name of the job.
        folder: The run folder, which already exists.
        flags: Hydra's flags of the command. The proposed next command repeats these flags.
    """

    config: Experiment
    folder: Path
    flags: Sequence[str]


def run_in_background(runner: StageRunner, flags: Sequence[str] = ()) -> Record:
    """Start a stage in the background, wait until its job runs, and return the stage's record.

    Args:
        runner: The stage, which has been checked.
        flags: Hydra's flags of the command.

    Raises:
        JobError: The second process ended before its job ran.
        KeyboardInterrupt: The user pressed Ctrl-C while this function waited. The job is canceled.
    """
    context = runner.context
    config = replace(context.config, run=runner.name, wait=True)
    log = context.folder / COMMAND_LOG
    with _hangups_ignored():
        process, pipe = _started(runner.name, log)
        # The thread waits for the end of the second process. Otherwise the ended process would
        # remain as a zombie in a notebook, which runs for a long time.
        threading.Thread(target=process.wait, daemon=True).start()
        try:
            # The second process may have ended already, for example because memory is short.
            with suppress(BrokenPipeError), pipe:
                pickle.dump(BackgroundStage(config, context.folder, flags), pipe)
            while process.poll() is None and not _runs(context, runner.name):
                time.sleep(_POLL_S)
        except KeyboardInterrupt:
            process.terminate()
            process.wait()
            raise
    code = process.poll()
    if code:
        raise _failure(runner.name, code, log)
    record = load_record(context.folder / RECORD_NAME)
    if code is None:
        context.display.message(
            f"the job runs in the background; its output is in {shown_path(str(log))}"
        )
    context.display.stage_ended(record)
    return record


def _runs(context: StageContext, name: str) -> bool:
    """Return whether the second process runs the stage, and the job has its MLflow run.

    A job without a folder in its result may still fail to start, e.g. because the disk is full.
    """
    if not is_locked(context.folder / COMMAND_LOCK):
        return False
    job = context.workspace.job_result(name)
    return job is not None and job.status is JobStatus.RUNNING and job.folder is not None


def _started(name: str, log: Path) -> "tuple[subprocess.Popen[bytes], BinaryIO]":
    """Start the second process. Return the process, and the pipe from which it reads the stage."""
    log.parent.mkdir(parents=True, exist_ok=True)
    # The option -u prevents a buffer for the output. A killed process would lose the buffer.
    command = [sys.executable, "-P", "-u", "-m", _MODULE, name]
    with log.open("wb") as output:
        read, write = os.pipe()
        with os.fdopen(read, "rb") as source:
            process = subprocess.Popen(
                command, stdin=source, stdout=output, stderr=output, start_new_session=True
            )
    return process, os.fdopen(write, "wb")


@contextmanager
def _hangups_ignored() -> Iterator[None]:
    """Ignore SIGHUP in a `with` block: the job must start even if the user closes the terminal.

    Only the command line ignores the signal. A notebook keeps its own handlers.
    """
    if signal.getsignal(signal.SIGHUP) is not handle_signal:
        yield
        return
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGHUP, handle_signal)


def _failure(name: str, code: int, log: Path) -> JobError:
    """Return the error that the second process printed."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    errors = [line.removeprefix(ERROR) for line in lines if line.startswith(ERROR)]
    quoted = [line.removeprefix(QUOTED) for line in lines if line.startswith(QUOTED)]
    how = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
    other = f"wait: the background process of {name} {how} before the job ran; see its log: {log}"
    return JobError(errors[-1] if errors else other, quoted)
