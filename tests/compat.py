"""Runs trainer/ alone in virtual environments of its own: `make test-compat`.

Azure ML's image has TensorFlow 2.16 and mlflow-skinny, which knows no local store, so a tracking
server of the project's own MLflow takes the metrics. The other environment has the newest
TensorFlow and MLflow that the project admits. Each trains, is checked, and scores.
"""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent

ENVIRONMENTS = {
    "azure": ["tensorflow==2.16.2", "mlflow-skinny<=3.15", "numpy<2"],
    "newest": ["tensorflow>=2.21,<2.22", "mlflow>=3.15,<3.16"],
}
PATIENCE_S = 120

SCORE = """\
import json, os, score
score.init()
body = open("outputs/model/input_example.json").read()
print(json.dumps(score.run(body)))
"""


def main() -> int:
    """Run every environment, or those named on the command line."""
    names = sys.argv[1:] or list(ENVIRONMENTS)
    with tempfile.TemporaryDirectory(prefix="compat-") as scratch:
        data = _sample(Path(scratch))
        failed = [name for name in names if not _passes(name, Path(scratch), data)]
    print(f"{len(names) - len(failed)} passed, {len(failed)} failed")
    return 1 if failed else 0


def _passes(name: str, scratch: Path, data: Path) -> bool:
    folder = scratch / name
    shutil.copytree(REPOSITORY / "trainer", folder)
    python = _environment(folder, ENVIRONMENTS[name])
    with _tracking_server(folder) as address:
        environment = {
            "PATH": f"{python.parent}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(folder),
            "MLFLOW_TRACKING_URI": address,
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "AZUREML_MODEL_DIR": str(folder / "outputs"),
        }
        train = [python, "train.py", "--data-folder", data, "--epochs", "2"]
        trained = subprocess.run(train, cwd=folder, env=environment, check=False)
        score = [python, "-c", SCORE]
        scored = subprocess.run(score, cwd=folder, env=environment, check=False)
        runs = _logged(folder)
    passed = trained.returncode == 0 and scored.returncode == 0 and runs == [2]
    print(f"{name}: {'passed' if passed else 'FAILED'}, validation_acc events by run: {runs}")
    return passed


def _environment(folder: Path, packages: list[str]) -> Path:
    subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
    python = folder / "venv" / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "--quiet", *packages], check=True)
    return python


def _sample(scratch: Path) -> Path:
    script = (
        "from mnist_exp.datasets import materialize; from mnist_exp.specs import DataSpec;"
        "from mnist_exp.config import DataType; from pathlib import Path;"
        f"print(materialize(DataSpec(DataType.sample, cache_dir=Path({str(scratch)!r})), print))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True
    )
    return Path(done.stdout.strip().splitlines()[-1])


@contextlib.contextmanager
def _tracking_server(folder: Path) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    arguments = ["--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    store = ["--backend-store-uri", f"sqlite:///{folder / 'server.db'}"]
    with (folder / "server.log").open("wb") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "mlflow", "server", *arguments, *store],
            cwd=folder,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        _wait_for(address)
        yield address
    finally:
        os.killpg(server.pid, 15)
        server.wait()


def _wait_for(address: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            urllib.request.urlopen(f"{address}/health", timeout=5).close()
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


def _logged(folder: Path) -> list[int]:
    """Return how many times each run of the server logged validation_acc."""
    script = (
        "from mlflow import MlflowClient;"
        f"c = MlflowClient('sqlite:///{folder / 'server.db'}');"
        "print([len(c.get_metric_history(r.info.run_id, 'validation_acc'))"
        " for e in c.search_experiments() for r in c.search_runs([e.experiment_id])])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True
    )
    return [int(text) for text in done.stdout.strip().strip("[]").split(",") if text.strip()]


if __name__ == "__main__":
    sys.exit(main())
