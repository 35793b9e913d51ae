"""The process of a worker: runs the scoring script in the same way as Azure ML's server.

    python -P -m mnist_exp.serving.worker_process REVISION CONTROL_FD CONNECTION_FD...

Each connection has a thread (see `worker_connection`). The thread of the first connection also
calls `init`. By default a worker has only one connection, so the same thread calls `init` and
`run`. Some libraries need the same thread, because their objects work only in the thread that
created the objects. When the front ends for any reason, the worker ends with all its child
processes.

A worker answers a request with one of these statuses:

| status | condition |
|---|---|
| 200 | `run` returned a result; the body is the result as JSON |
| 400 | the body is not UTF-8, or is not the JSON that `run` with `@input_schema` needs |
| 415 | `run` has `@input_schema`, and the content type is not JSON |
| 500 | `run` raised an exception, or its result cannot be written as JSON; the log has the cause |
| 500 | `run` took longer than SCORING_TIMEOUT_MS |
"""

import logging
import os
import queue
import signal
import socket
import sys
import threading
from contextlib import suppress
from functools import partial
from pathlib import Path

from mnist_exp.orphans import adopt_orphans, end_children
from mnist_exp.serving.frames import PING, PONG, READY, READY_FOR_HEADERS, Request
from mnist_exp.serving.result_json import dumps
from mnist_exp.serving.run_function import BadInputError
from mnist_exp.serving.script import ScoringScript
from mnist_exp.serving.settings import CODE_FOLDER, load_settings
from mnist_exp.serving.worker_connection import WorkerConnection, enforce_time_limits

_logger = logging.getLogger(__name__)

#: Maximum number of the model's files and folders that the log lists after `init` has failed.
_MOST_LINES = 100
#: Exit code if the import of the script or `init` fails, as in Azure ML's inference server.
_INIT_FAILED_EXIT_CODE = 3
_LOG_FORMAT = "%(asctime)s %(levelname)s [%(process)d] %(message)s"
#: Message of Azure ML's inference server to a caller if `run` fails.
_SCRIPT_FAILED = "An unexpected error occurred in scoring script. Check the logs for more info."
#: The scoring script for an MLflow model if the user gives no scoring script.
MLFLOW_SCRIPT = Path(__file__).parent / "no_code" / "mlflow_script.py"


def main(arguments: list[str]) -> None:
    """Serve a revision until the front closes the control connection."""
    adopt_orphans()
    revision = Path(arguments[0])
    control, *sockets = (socket.socket(fileno=int(number)) for number in arguments[1:])
    # The script's child processes must not inherit the sockets. Otherwise a socket would stay open
    # after the worker has ended, and the front would not notice the end of the worker.
    for each in (control, *sockets):
        each.set_inheritable(False)
    logging.basicConfig(level=logging.INFO, format=_LOG_FORMAT, stream=sys.stdout)
    settings = load_settings(revision)
    script = _script(revision, settings.entry_script)
    started: queue.SimpleQueue[bool] = queue.SimpleQueue()
    connections = [WorkerConnection(each, partial(answer, script)) for each in sockets]
    # Read the variable before the script runs, because the script can change its environment.
    model = os.environ["AZUREML_MODEL_DIR"]
    _in_thread(_start_and_serve, script, connections[0], started, model)
    _in_thread(_answer_pings, control)
    if not started.get():
        _exit(_INIT_FAILED_EXIT_CODE)
    for connection in connections[1:]:
        _in_thread(connection.serve)
    limits = settings.scoring_timeout_ms, settings.worker_timeout_s
    _in_thread(enforce_time_limits, connections, *limits)
    control.sendall(READY_FOR_HEADERS if script.wants_headers else READY)
    # Let the main thread do no other work. Python runs the script's signal handlers in the main
    # thread, and other work could delay the handlers.
    while True:
        signal.pause()


def answer(script: ScoringScript, request: Request) -> tuple[int, bytes]:
    """Return the status and the body of the answer to a request."""
    try:
        raw_data = request.body.decode()
    except UnicodeDecodeError as error:
        return 400, dumps({"message": f"the body must be UTF-8: {error.reason}"})
    try:
        return 200, dumps(script.run(raw_data, request.headers))
    except BadInputError as error:
        return error.status, dumps({"message": str(error)})
    # Also catch SystemExit. Otherwise one request could end the process for all other requests.
    except BaseException as error:
        # Write the cause in one line, because a command that sends a request (`invoke`) searches
        # the log for this line.
        cause = " ".join(f"{type(error).__name__}: {error}".split())
        _logger.exception("request %s failed: %s", request.id.decode(), cause)
        return 500, dumps({"message": _SCRIPT_FAILED})


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


def _in_thread(target: object, *arguments: object) -> None:
    threading.Thread(target=target, args=arguments, daemon=True).start()  # type: ignore[arg-type]


def _start_and_serve(
    script: ScoringScript,
    connection: WorkerConnection,
    started: "queue.SimpleQueue[bool]",
    model: str,
) -> None:
    try:
        script.load()()
    # Also catch SystemExit, so that the log contains the reason of the failure.
    except BaseException:
        # Log the model's files before the exception, because the reason of the failure must be at
        # the end of the log. Listing the files can fail if the script still changes the folder.
        with suppress(OSError):
            _logger.error("AZUREML_MODEL_DIR holds:\n%s", _model_tree(model))
        _logger.exception("%s: the import of the script or init() failed", script.name)
        started.put(False)
        return
    _logger.info("%s: init() has returned", script.name)
    started.put(True)
    connection.serve()


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
