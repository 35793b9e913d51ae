"""The process of a worker: runs the scoring script in the same way as Azure ML's server.

    python -P -m mnist_exp.serving.worker_process REVISION CONTROL_FD CONNECTION_FD

As in Azure ML's server, the main thread imports the script, calls `init`, and calls `run` for one
request at a time. Signal handlers and many libraries work only in the main thread. When the front
ends for any reason, the worker ends with all its child processes.

A worker answers a request with one of these statuses:

| status | condition |
|---|---|
| 200 | `run` returned a result; the body is the result as JSON |
| 400 | the body is not UTF-8; with `@input_schema`, the body is not the JSON that `run` needs |
| 413 | the body is `multipart/form-data` with over 1,000 parts, or a field over 500,000 bytes |
| 415 | `run` has `@input_schema`, and the content type is not JSON |
| 500 | `run` raised an exception, or its result cannot be written as JSON; the log has the cause |
| 500 | `run` took longer than SCORING_TIMEOUT_MS, or its result has more than 128 MB |
| 500 | `run` has `@input_schema`, and the body is not UTF-8 |

If `run` returned a response of Flask, for example an AMLResponse, the response has its own status.
"""

import logging
import os
import signal
import socket
import sys
import threading
import time
import traceback
from contextlib import suppress
from functools import partial
from pathlib import Path

from mnist_exp.orphans import adopt_orphans, end_children
from mnist_exp.serving.frames import PING, PONG, READY, READY_FOR_HEADS, REPLY_LIMIT, Reply, Request
from mnist_exp.serving.replies import error_reply, result_reply
from mnist_exp.serving.request_input import BadInputError
from mnist_exp.serving.run_function import RunFunction
from mnist_exp.serving.script import ScoringScript
from mnist_exp.serving.settings import CODE_FOLDER, load_settings
from mnist_exp.serving.time_limit import TimeLimit
from mnist_exp.serving.worker_connection import WorkerConnection
from mnist_exp.serving.worker_logging import log_to_stdout

# In a worker, the name of this module is `__main__`.
_logger = logging.getLogger("mnist_exp.serving.worker_process")

#: Maximum number of the model's files and folders that the log lists after `init` has failed.
_MOST_LINES = 100
#: Exit code if the import of the script or `init` fails, as in Azure ML's inference server.
_INIT_FAILED_EXIT_CODE = 3
#: Exit code after an unexpected error, for example in a signal handler between two requests.
_FAILED_EXIT_CODE = 1
# Messages of Azure ML's inference server to a client.
_SCRIPT_FAILED = "An unexpected error occurred in scoring script. Check the logs for more info."
_SERVER_FAILED = "An unexpected internal error occurred. Check the logs for more info."
#: The scoring script for an MLflow model if the user gives no scoring script.
MLFLOW_SCRIPT = Path(__file__).parent / "no_code" / "mlflow_script.py"


def main(arguments: list[str]) -> None:
    """Serve a revision until the front closes the control connection."""
    adopt_orphans()
    revision = Path(arguments[0])
    control, requests = (socket.socket(fileno=int(number)) for number in arguments[1:])
    # The script's child processes must not inherit the sockets. Otherwise a socket would stay open
    # after the worker has ended, and the front would not notice the end of the worker.
    for each in (control, requests):
        each.set_inheritable(False)
    log_to_stdout()
    settings = load_settings(revision)
    script = _script(revision, settings.entry_script)
    threading.Thread(target=_answer_pings, args=(control,), daemon=True).start()
    _start(script)
    run, limit_ms = script.run, settings.scoring_timeout_ms
    connection = WorkerConnection(requests, partial(answer, run, limit_ms))
    hangs = connection.end_if_hanging
    threading.Thread(target=hangs, args=(settings.worker_timeout_s,), daemon=True).start()
    control.sendall(READY_FOR_HEADS if run.needs_head else READY)
    try:
        connection.serve()
    except BaseException:
        _logger.exception("%s: an unexpected error has ended the worker", script.name)
        _exit(_FAILED_EXIT_CODE)
    _exit(0)


def answer(run: RunFunction, limit_ms: int, request: Request) -> Reply:
    """Return the reply to a request.

    Args:
        run: The script's `run`.
        limit_ms: Maximum duration of the call of `run`, in milliseconds.
        request: The request.
    """
    try:
        with run.context(request):
            return _called(run, limit_ms, request)
    except BadInputError as error:
        return error_reply(error.status, str(error))
    # Also catch SystemExit, which does not end Azure ML's server either.
    except BaseException as error:
        _log_failure(request, error)
        return error_reply(500, _SERVER_FAILED)


def _called(run: RunFunction, limit_ms: int, request: Request) -> Reply:
    arguments = run.arguments(request)
    began = time.perf_counter()
    try:
        with TimeLimit(limit_ms):
            result = run.run(**arguments)
    # Azure ML's server cannot distinguish a TimeoutError of the script from its own TimeoutError.
    except TimeoutError as error:
        _log_failure(request, error)
        return error_reply(500, f"Scoring timeout after {limit_ms} ms", run_failed=True)
    except Exception as error:
        _log_failure(request, error)
        return error_reply(500, _SCRIPT_FAILED, run_failed=True)
    reply = result_reply(result, time.perf_counter() - began)
    if len(reply.body) > REPLY_LIMIT:
        size = len(reply.body)
        raise ValueError(f"an answer must have at most {REPLY_LIMIT} bytes, run() returned {size}")
    return reply


def _log_failure(request: Request, error: BaseException) -> None:
    # Write the cause in one line, because a command that sends a request (`invoke`) searches the
    # log for this line. `traceback` also handles an exception whose `__str__` fails.
    text = traceback.TracebackException.from_exception(error, limit=0)
    cause = " ".join(f"{type(error).__name__}: {text}".split())
    _logger.exception("request %s failed: %s", request.id.decode(), cause)


def _model_tree(folder: str) -> str:
    """Return a list of the files and folders in the model's folder, as lines of text.

    The list helps the user, because the usual cause of a failure is a path that does not exist.
    """
    root = Path(folder)
    below = sorted(root.rglob("*"))
    lines = [f"{root}/", *(_indented(path, root) for path in below[:_MOST_LINES])]
    left = len(below) - _MOST_LINES
    return "\n".join([*lines, f"  and {left} more files and folders"] if left > 0 else lines)


def _indented(path: Path, root: Path) -> str:
    depth = len(path.relative_to(root).parts)
    return f"{'  ' * depth}{path.name}{'/' if path.is_dir() else ''}"


def _script(revision: Path, entry_script: str | None) -> ScoringScript:
    if entry_script is None:
        return ScoringScript(MLFLOW_SCRIPT.parent, MLFLOW_SCRIPT.name, has_schema=True)
    return ScoringScript(revision / CODE_FOLDER, entry_script)


def _start(script: ScoringScript) -> None:
    """Import the script and call its `init`. If this fails, end the process."""
    # Read the variable before the script runs, because the script can change its environment.
    model = os.environ["AZUREML_MODEL_DIR"]
    try:
        script.load()()
    # Also catch SystemExit, so that the log contains the reason of the failure.
    except BaseException:
        # Log the model's files before the exception, because the reason of the failure must be at
        # the end of the log. Listing the files can fail if the script still changes the folder.
        with suppress(OSError):
            _logger.error("AZUREML_MODEL_DIR holds:\n%s", _model_tree(model))
        _logger.exception("%s: the import of the script or init() failed", script.name)
        _exit(_INIT_FAILED_EXIT_CODE)
    _logger.info("%s: init() has returned", script.name)


def _answer_pings(control: socket.socket) -> None:
    """Answer pings until the front closes the connection or ends. Then end this process."""
    try:
        while control.recv(1) == PING:
            control.sendall(PONG)
    except OSError:
        pass
    _exit(0)


def _exit(code: int) -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    if code == 0:
        # First end all child processes of the script. Then end the worker's process group, which
        # includes this process.
        end_children()
        os.killpg(0, signal.SIGKILL)
    # Do not return from main. A thread of the script could keep the process alive.
    os._exit(code)


if __name__ == "__main__":
    main(sys.argv[1:])
