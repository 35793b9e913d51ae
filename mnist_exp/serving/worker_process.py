"""The process of a worker: it runs the scoring script as Azure ML's inference server does.

    python -P -m mnist_exp.serving.worker_process REVISION CONTROL_FD CONNECTION_FD...

One thread serves each connection (see `worker_connection`). The worker knows no keys, traffic or
HTTP. With one connection, the default, `init` and every `run` happen in the same thread. Scripts
need this when their libraries tie objects to threads. When the front ends for any reason, the
worker ends with all its child processes.

| status | when |
|---|---|
| 200 | the result of `run` as JSON |
| 400 | the body is not UTF-8, or not the JSON that a `run` with `@input_schema` needs |
| 415 | `run` has `@input_schema`, and the content type is not JSON |
| 500 | `run` raised, or its result cannot be JSON; the details are only in the log |
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

#: Maximum number of lines in the listing of the model's folder after `init` has failed.
_MOST_LINES = 100
#: Exit code when the script cannot be imported or `init` raises, as in Azure ML's server.
_INIT_FAILED_EXIT_CODE = 3
_LOG_FORMAT = "%(asctime)s %(levelname)s [%(process)d] %(message)s"
#: Message of Azure ML's server.
_SCRIPT_FAILED = "An unexpected error occurred in scoring script. Check the logs for more info."
#: Script for a model of type mlflow_model without a script of its own.
_MLFLOW_SCRIPT = Path(__file__).parent / "no_code" / "mlflow_script.py"


def main(arguments: list[str]) -> None:
    """Serve a revision until the front closes the control connection."""
    adopt_orphans()
    revision = Path(arguments[0])
    control, *sockets = (socket.socket(fileno=int(number)) for number in arguments[1:])
    # The script's child processes must not inherit the sockets: a socket would then stay open.
    for one in (control, *sockets):
        one.set_inheritable(False)
    logging.basicConfig(level=logging.INFO, format=_LOG_FORMAT, stream=sys.stdout)
    settings = load_settings(revision)
    script = _script(revision, settings.entry_script)
    started: queue.SimpleQueue[bool] = queue.SimpleQueue()
    connections = [WorkerConnection(one, partial(answer, script)) for one in sockets]
    # Read the variable before the script runs: the script may change its environment.
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
    # Keep the main thread free: Python runs the signal handlers of the script in it.
    while True:
        signal.pause()


def answer(script: ScoringScript, request: Request) -> tuple[int, bytes]:
    """Return status and body of the answer to a request."""
    try:
        raw_data = request.body.decode()
    except UnicodeDecodeError as error:
        return 400, orjson.dumps({"message": f"the body must be UTF-8: {error.reason}"})
    try:
        return 200, encode(script.run(raw_data, request.headers))
    except BadInputError as error:
        return error.status, orjson.dumps({"message": str(error)})
    # Catch even SystemExit: one request must not end the process for all other requests.
    except BaseException as error:
        # Write the cause as one line: `invoke` searches the log for this line.
        cause = " ".join(f"{type(error).__name__}: {error}".split())
        _logger.exception("request %s failed: %s", request.id.decode(), cause)
        return 500, orjson.dumps({"message": _SCRIPT_FAILED})


def encode(result: object) -> bytes:
    """Return a result of `run` as JSON. Text becomes a quoted string, as on Azure ML.

    Unlike Azure ML's server, this function also takes NumPy's numbers and arrays. Not-a-number
    becomes null, because JSON cannot express it.

    Raises:
        TypeError: JSON cannot express the result.
    """
    try:
        return orjson.dumps(result)
    except TypeError:
        return orjson.dumps(result, option=orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS)


def _model_tree(folder: str) -> str:
    """Return a listing of the model's folder: most scripts fail because a path does not exist."""
    root = Path(folder)
    below = sorted(root.rglob("*"))
    lines = [f"{root}/", *(_indented(path, root) for path in below[:_MOST_LINES])]
    left = len(below) - _MOST_LINES
    return "\n".join([*lines, f"  and {left} more"] if left > 0 else lines)


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
    # Catch even SystemExit: the log must give the reason why there is no deployment.
    except BaseException:
        # Log the listing before the reason: the reason must be at the end of the log. The script
        # may still be changing the folder, which can make the listing fail.
        with suppress(OSError):
            _logger.error("AZUREML_MODEL_DIR holds:\n%s", _model_tree(model))
        _logger.exception("%s: import or init() failed", script.name)
        started.put(False)
        return
    _logger.info("%s: init() has returned", script.name)
    started.put(True)
    connection.serve()


def _answer_pings(control: socket.socket) -> None:
    """Answer pings, and end the process when the front has closed the connection or has ended."""
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
        # End all child processes of the script first, then the own process group with ourselves.
        end_children()
        os.killpg(0, signal.SIGKILL)
    # Do not return from main: a thread of the script could keep the process alive.
    os._exit(code)


if __name__ == "__main__":
    main(sys.argv[1:])
