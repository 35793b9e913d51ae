"""Azure ML's inference server, in an environment of its own."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from benchmarks.inference_server import LAUNCH
from tests.parity.scripts import Script

_PACKAGES = "azureml-inference-server-http==1.5.1\nnumpy>=2.0,<3\n"


def prepared(environment: Path) -> Path:
    """Return the Python with the server; create its environment if needed."""
    python = environment.absolute() / "bin" / "python"
    done = environment / "requirements.txt"
    if not done.is_file() or done.read_text(encoding="utf-8") != _PACKAGES:
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(environment)], check=True)
        command = [str(python), "-m", "pip", "install", "--quiet", *_PACKAGES.split()]
        subprocess.run(command, check=True)
        done.write_text(_PACKAGES, encoding="utf-8")
    return python


@contextmanager
def azure_server(python: Path, script: Script, folder: Path) -> Iterator[int]:
    """Run the server with a script, and yield its port."""
    entry = folder / "score.py"
    entry.write_text(script.source, encoding="utf-8")
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    command = [str(python), "-c", LAUNCH, "--entry_script", str(entry), "--model_dir", str(folder)]
    with (folder / "server.log").open("w") as log:
        process = subprocess.Popen(
            [*command, "--port", str(port)],
            cwd=folder,
            env={**os.environ, "PATH": f"{python.parent}:{os.environ['PATH']}", **script.variables},
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        _wait(process, port)
        yield port
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        process.wait()


def _wait(process: subprocess.Popen[bytes], port: int) -> None:
    """Wait until the server listens. Requests then wait until the server has loaded the script."""
    while process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=5).close()
        except ConnectionRefusedError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError(f"the server ended with exit code {process.returncode}")
