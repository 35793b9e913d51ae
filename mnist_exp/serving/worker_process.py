"""The process of a worker. It runs the scoring script in the same way as Azure ML's server.

    python -P -m mnist_exp.serving.worker_process REVISION CONTROL_FD CONNECTION_FD...

Each connection has a thread (see `worker_connection`). By default a worker has one connection.
`init` and `run` are then called in the same thread, because some libraries require that an object
is used only in the thread that created the object. When the front ends for any reason, the worker
ends with all its child processes.

A worker answers these statuses:

| status | condition |
|---|---|
| 200 | `run` returned a result; the body is the result as JSON |
| 400 | the body is not UTF-8, or is not the JSON that `run` with `@input_schema` needs |
| 415 | `run` has `@input_schema`, and the content type is not JSON |
| 500 | `run` raised an exception, or JSON cannot express its result; the cause is in the log |
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

import orjson

from mnist_exp.orphans import adopt_orphans, end_children
from mnist_exp.serving.frames import PING, PONG, READY, READY_FOR_HEADERS, Request
from mnist_exp.serving.run_function import BadInputError
from mnist_exp.serving.script import ScoringScript
from mnist_exp.serving.settings import CODE_FOLDER, load_settings
from mnist_exp.serving.worker_connection import WorkerConnection, enforce_time_limits

_logger = logging.getLogger(__name__)

#: After `init` has failed, the log lists this many files and folders of the model at most.
_MOST_LINES = 100
#: Exit code if the import of the script or `init` fails, as in Azure ML's inference server.
_INIT_FAILED_EXIT_CODE = 3
_LOG_FORMAT = "%(asctime)s %(levelname)s [%(process)d] %(message)s"
#: Message of Azure ML's inference server to a caller if `run` fails.
_SCRIPT_FAILED = "An unexpected error occurred in scoring script. Check the logs for more info."
#: The script for a deployment of an MLflow model without a script of the user.
_MLFLOW_SCRIPT = Path(__file__).parent / "no_code" / "mlflow_script.py"


def main(arguments: list[str]) -> None:
    """Serve a revision until the front closes the control connection."""
    adopt_orphans()
    revision = Path(arguments[0])
    control, *sockets = (socket.socket(fileno=int(number)) for number in arguments[1:])
    # The script's child processes must not inherit the sockets. Otherwise a socket would stay open
    # when the worker has ended.
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
    # The main thread only waits, because Python runs the script's signal handlers in this thread.
    while True:
        signal.pause()


def answer(script: ScoringScript, request: Request) -> tuple[int, bytes]:
    """Return the status and the body of the answer to a request."""
    try:
        raw_data = request.body.decode()
    except UnicodeDecodeError as error:
        return 400, orjson.dumps({"message": f"the body must be UTF-8: {error.reason}"})
    try:
        return 200, encode(script.run(raw_data, request.headers))
    except BadInputError as error:
        return error.status, orjson.dumps({"message": str(error)})
    # Also catch SystemExit. Otherwise one request could end the process for all other requests.
    except BaseException as error:
        # Write the cause in one line, because `invoke` searches the log for this line.
        cause = " ".join(f"{type(error).__name__}: {error}".split())
        _logger.exception("request %s failed: %s", request.id.decode(), cause)
        return 500, orjson.dumps({"message": _SCRIPT_FAILED})


def encode(result: object) -> bytes:
    """Return a result of `run` as JSON. Text becomes a quoted string, as on Azure ML.

    Unlike Azure ML's server, this function also converts NumPy's numbers and arrays. NaN is
    converted to null, because JSON has no NaN.

    Raises:
        TypeError: JSON cannot express the result.
    """
    try:
        return orjson.dumps(result)
    except TypeError:
        return orjson.dumps(result, option=orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS)


def _model_tree(folder: str) -> str:
    """List the model's folder. Most scripts fail because they open a path that does not exist."""
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
        return ScoringScript(_MLFLOW_SCRIPT.parent, _MLFLOW_SCRIPT.name)
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
        # Log the listing first, because the reason must be at the end of the log. The listing can
        # fail if the script still changes the folder.
        with suppress(OSError):
            _logger.error("AZUREML_MODEL_DIR holds:\n%s", _model_tree(model))
        _logger.exception("%s: the import of the script or init() failed", script.name)
        started.put(False)
        return
    _logger.info("%s: init() has returned", script.name)
    started.put(True)
    connection.serve()


def _answer_pings(control: socket.socket) -> None:
    """Answer pings until the connection is closed or the front has ended. Then end the process."""
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
        # First end all child processes of the script, then all processes of the worker's process
        # group.
        end_children()
        os.killpg(0, signal.SIGKILL)
    # Do not return from main. A thread of the script could keep the process alive.
    os._exit(code)


if __name__ == "__main__":
    main(sys.argv[1:])
