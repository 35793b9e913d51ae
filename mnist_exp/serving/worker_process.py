"""The container of a deployment: runs the scoring script, as Azure ML's inference server does.

    python -P -m mnist_exp.serving.worker_process REVISION CONTROL_FD SLOT_FD...

A thread for each slot (see `lane`); it knows nothing of keys, traffic or HTTP. With one slot, the
default, `init` and every `run` happen in the same thread, which is what a script may expect whose
libraries tie objects to threads. When the front goes, however that happens, the process ends with
everything that it has started.

| status | when |
|---|---|
| 200 | the result of `run` as JSON |
| 400 | the body is not UTF-8, or not what a `run` with `@input_schema` takes |
| 415 | it takes JSON, and the content type is another |
| 500 | `run` raised, or its result is not JSON; the details are in the log alone |
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
from mnist_exp.serving.calling import BadInputError
from mnist_exp.serving.frames import PING, PONG, READY, READY_FOR_HEADERS, Request
from mnist_exp.serving.script import ScoringScript
from mnist_exp.serving.settings import CODE_FOLDER, load_settings
from mnist_exp.serving.worker_connection import Lane, watch_lanes

_logger = logging.getLogger(__name__)

#: So much of a model's folder is listed when `init` has failed.
_MOST_LINES = 100
#: Exit code when the script cannot be imported or `init` raises; Azure ML's server has the same.
INIT_FAILED = 3
_LOG_FORMAT = "%(asctime)s %(levelname)s [%(process)d] %(message)s"
#: The words of Azure ML's server.
SCRIPT_FAILED = "An unexpected error occurred in scoring script. Check the logs for more info."
#: Serves a model that is registered as mlflow_model and has no script.
_MLFLOW_SCRIPT = Path(__file__).parent / "no_code" / "mlflow_script.py"


def main(arguments: list[str]) -> None:
    """Serve a revision until the front closes the control connection."""
    adopt_orphans()
    revision = Path(arguments[0])
    control, *slots = (socket.socket(fileno=int(number)) for number in arguments[1:])
    # What the script starts must not keep connections open.
    for connection in (control, *slots):
        connection.set_inheritable(False)
    logging.basicConfig(level=logging.INFO, format=_LOG_FORMAT, stream=sys.stdout)
    settings = load_settings(revision)
    script = _script(revision, settings.entry_script)
    started: queue.SimpleQueue[bool] = queue.SimpleQueue()
    lanes = [Lane(slot, partial(answer, script)) for slot in slots]
    # Before the script, which may change its environment.
    model = os.environ["AZUREML_MODEL_DIR"]
    _in_thread(_start_and_serve, script, lanes[0], started, model)
    _in_thread(_watch, control)
    if not started.get():
        _leave(INIT_FAILED)
    for lane in lanes[1:]:
        _in_thread(lane.serve)
    _in_thread(watch_lanes, lanes, settings.scoring_timeout_ms, settings.worker_timeout_s)
    control.sendall(READY_FOR_HEADERS if script.wants_headers else READY)
    # The main thread is free for the signals that a script may have claimed.
    while True:
        signal.pause()


def answer(script: ScoringScript, request: Request) -> tuple[int, bytes]:
    """Return the status and the body for a request."""
    try:
        raw_data = request.body.decode()
    except UnicodeDecodeError as error:
        return 400, orjson.dumps({"message": f"the body must be UTF-8: {error.reason}"})
    try:
        return 200, encode(script.run(raw_data, request.headers))
    except BadInputError as error:
        return error.status, orjson.dumps({"message": str(error)})
    # Even SystemExit: a request must not end the process for all the others.
    except BaseException as error:
        # The one line is what `invoke` looks for.
        cause = " ".join(f"{type(error).__name__}: {error}".split())
        _logger.exception("request %s failed: %s", request.id.decode(), cause)
        return 500, orjson.dumps({"message": SCRIPT_FAILED})


def encode(result: object) -> bytes:
    """Return a result of `run` as JSON: text becomes a quoted string, as on Azure ML.

    More than Azure ML's server takes, NumPy's numbers and arrays are taken too; not-a-number
    becomes null, for which JSON has no word.

    Raises:
        TypeError: It is nothing that JSON can say.
    """
    try:
        return orjson.dumps(result)
    except TypeError:
        return orjson.dumps(result, option=orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS)


def model_tree(folder: str) -> str:
    """Return what a folder holds, a line each: most scripts fail for a path that is not there."""
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
    script: ScoringScript, lane: Lane, started: "queue.SimpleQueue[bool]", model: str
) -> None:
    try:
        script.load()()
    # Even SystemExit: the log must say why there is no deployment.
    except BaseException:
        # Before the reason, which is looked for at the end of the log. A script may have changed
        # the folder, and may be at it still.
        with suppress(OSError):
            _logger.error("AZUREML_MODEL_DIR holds:\n%s", model_tree(model))
        _logger.exception("%s: import or init() failed", script.name)
        started.put(False)
        return
    _logger.info("%s: init() is through", script.name)
    started.put(True)
    lane.serve()


def _watch(control: socket.socket) -> None:
    """Give signs of life; end when the front has closed the connection, or is gone."""
    try:
        while control.recv(1) == PING:
            control.sendall(PONG)
    except OSError:
        pass
    _leave(0)


def _leave(code: int) -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    if code == 0:
        # What the script has started goes as well: all of it, then the process group with us.
        end_children()
        os.killpg(0, signal.SIGKILL)
    # Not by returning: a thread that the script left behind must not keep the process alive.
    os._exit(code)


if __name__ == "__main__":
    main(sys.argv[1:])
