"""Azure ML's own inference server with a scoring script like the tutorial's, for comparison.

The first use creates a separate virtual environment for the server under `build/`. The server's
packages cannot be installed together with azure-ai-ml.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

_ROOT = Path(__file__).parents[1]
_PACKAGES = ("azureml-inference-server-http==1.5.1", "tensorflow>=2.20,<2.22", "numpy>=2.0,<3")
_SCRIPT = """\
import json, os
import numpy as np
import tensorflow as tf

def init():
    global loaded, model, name
    loaded = tf.saved_model.load(os.path.join(os.environ["AZUREML_MODEL_DIR"], "model"))
    model = loaded.signatures["serving_default"]
    (name,) = model.structured_input_signature[1]

def run(raw_data):
    data = np.array(json.loads(raw_data)["data"], dtype=np.float32)
    out = next(iter(model(**{name: tf.constant(data)}).values())).numpy()
    return np.argmax(out, axis=1).tolist()
"""
_PATIENCE_S = 180
#: Code that starts the server on 127.0.0.1. The server's own command listens on every address of
#: the machine and has no option for the address.
LAUNCH = """\
from azureml_inference_server_http import constants
constants.DEFAULT_HOST = "127.0.0.1"
from azureml_inference_server_http.amlserver import run
run()
"""


def rival_environment() -> Path:
    """Return the `bin` folder of the server's environment; the first call creates it."""
    folder = _ROOT / "build" / "inference-server"
    stamp = folder / ".installed"
    if not stamp.is_file():
        print(f"creating {folder}: downloading TensorFlow and Azure ML's inference server")
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        command = [str(folder / "bin" / "pip"), "install", "--quiet", *_PACKAGES]
        subprocess.run(command, check=True)
        stamp.touch()
    return folder / "bin"


class InferenceServer:
    """A context manager that runs the server inside its block.

    Args:
        model: The folder that contains the folder `model`.
        folder: The folder for the server's script and log.
    """

    def __init__(self, model: Path, folder: Path) -> None:
        self._model = model
        self._folder = folder
        self.port = _free_port()
        self.uri = f"http://127.0.0.1:{self.port}/score"
        self.ready_s = 0.0

    def __enter__(self) -> Self:
        script = self._folder / "tutorial_score.py"
        script.write_text(_SCRIPT, encoding="utf-8")
        programs = rival_environment()
        command = [str(programs / "python"), "-c", LAUNCH, "--entry_script", str(script)]
        command += ["--model_dir", str(self._model), "--port", str(self.port)]
        began = time.perf_counter()
        with (self._folder / "inference-server.log").open("wb") as log:
            self._process = subprocess.Popen(
                command,
                cwd=self._folder,
                env={
                    **os.environ,
                    "PATH": f"{programs}:{os.environ['PATH']}",
                    "WORKER_COUNT": "1",
                    "TF_CPP_MIN_LOG_LEVEL": "3",
                },
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            self._wait()
        except BaseException:
            self._end()
            raise
        self.ready_s = time.perf_counter() - began
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end()

    def _end(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGTERM)
        self._process.wait()

    def _wait(self) -> None:
        """Wait for the first answer."""
        body = json.dumps({"data": [[0] * 784]}).encode()
        # urllib's default content type is the type of a form. With this type, the server would not
        # pass the body to the script.
        request = urllib.request.Request(self.uri, body, {"Content-Type": "application/json"})
        deadline = time.monotonic() + _PATIENCE_S
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                with urllib.request.urlopen(request, timeout=10):
                    return
            except urllib.error.HTTPError as error:
                # The server runs, but the script fails. Further requests would fail too.
                log = (self._folder / "inference-server.log").read_text(errors="replace")
                raise RuntimeError(f"the server answered {error.code}: {log[-2000:]}") from error
            except (urllib.error.URLError, ConnectionError, TimeoutError):
                time.sleep(0.01)
        raise RuntimeError(f"the server did not start; see {self._folder / 'inference-server.log'}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
