"""Run the trainer with the packages of Azure's image, and with those installed here.

    python tests/trainer/compat.py --environment build/compat

The packages of Azure's image are those in trainer/conda.yaml. They are installed once, into an
environment of their own with Python 3.11. mlflow-skinny has no local store, so this script starts a
tracking server on loopback.
"""

import argparse
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "trainer")]

from mlflow.tracking import MlflowClient  # noqa: E402

from mnist_exp.datasets.sample import write_sample  # noqa: E402

#: A free port on this machine.
LOOPBACK = ("127.0.0.1", 0)
SCORE = """
import json, sys
import score
score.init()
print(json.dumps(score.run(open(sys.argv[1]).read())))
"""


@dataclass
class Case:
    """An environment with the trainer's packages, a working folder and a tracking server."""

    python: Path
    folder: Path
    data: Path
    server: str

    def __post_init__(self) -> None:
        self.client = MlflowClient(self.server)
        self.trainer = self.folder / "code"
        shutil.copytree(ROOT / "trainer", self.trainer)
        self.run_id = self.client.create_run("0").info.run_id

    def run(self, *arguments: str, folder: str = "job", **variables: str) -> str:
        process = self.start(*arguments, folder=folder, **variables)
        out, err = process.communicate()
        if process.returncode:
            raise AssertionError(f"exit code {process.returncode}: {err or out}")
        return out

    def start(self, *arguments: str, folder: str, **variables: str) -> subprocess.Popen[str]:
        place = self.folder / folder
        place.mkdir(exist_ok=True)
        command = [self.python, self.trainer / "train.py", "--data-folder", self.data, *arguments]
        mlflow = {"MLFLOW_TRACKING_URI": self.server, "MLFLOW_RUN_ID": self.run_id}
        return subprocess.Popen(
            [str(word) for word in command],
            cwd=place,
            env={**os.environ, **mlflow, **variables},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def steps(self, key: str) -> list[int]:
        return sorted(m.step for m in self.client.get_metric_history(self.run_id, key))

    def evaluation(self, folder: str = "job") -> dict[str, float]:
        path = self.folder / folder / "outputs" / "evaluation.json"
        content: dict[str, float] = json.loads(path.read_text())
        return content


def trains_and_logs(case: Case) -> None:
    case.run("--epochs", "3", "--learning-rate", "0.1", "--checkpoints", "kept")
    assert case.steps("validation_acc") == [1, 2, 3]
    assert case.client.get_run(case.run_id).data.params["learning_rate"] == "0.1"
    assert case.evaluation()["test_acc"] > 0.8


def resumes_without_logging_twice(case: Case) -> None:
    out = case.run("--epochs", "5", "--learning-rate", "0.1", "--checkpoints", "kept")
    assert "resuming from epoch 3" in out
    assert case.steps("validation_acc") == [1, 2, 3, 4, 5]


def scores_as_it_evaluated(case: Case) -> None:
    request = case.folder / "job" / "outputs" / "model" / "input_example.json"
    variables = {**os.environ, "AZUREML_MODEL_DIR": str(case.folder / "job" / "outputs")}
    answers = []
    # First with the weights for NumPy, then with TensorFlow.
    for _ in range(2):
        output = subprocess.run(
            [str(case.python), "-c", SCORE, str(request)],
            cwd=case.trainer,
            env=variables,
            capture_output=True,
            check=True,
            text=True,
        ).stdout
        answers.append(json.loads(output.splitlines()[-1]))
        shutil.rmtree(request.parent / "assets.extra", ignore_errors=True)
    assert len(answers[0]) == 3
    assert answers[0] == answers[1]


def trains_a_convolutional_network(case: Case) -> None:
    flags = ("--architecture", "cnn", "--optimizer", "adam", "--learning-rate", "0.001")
    case.run("--epochs", "2", *flags, folder="cnn")
    assert case.evaluation("cnn")["test_acc"] > 0.8


def trains_with_two_workers(case: Case) -> None:
    with socket.create_server(LOOPBACK) as one, socket.create_server(LOOPBACK) as two:
        hosts = [f"127.0.0.1:{each.getsockname()[1]}" for each in (one, two)]
    workers = [
        case.start(
            *("--epochs", "3", "--learning-rate", "0.1"),
            folder=f"worker{index}",
            TF_CONFIG=json.dumps(
                {"cluster": {"worker": hosts}, "task": {"type": "worker", "index": index}}
            ),
        )
        for index in range(2)
    ]
    results = [worker.communicate() for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0], results
    assert case.evaluation("worker0")["test_acc"] > 0.8
    assert not any((case.folder / "worker1").iterdir())


STEPS: tuple[Callable[[Case], None], ...] = (
    trains_and_logs,
    resumes_without_logging_twice,
    scores_as_it_evaluated,
    trains_a_convolutional_network,
    trains_with_two_workers,
)


def requirements() -> list[str]:
    """Return the packages of trainer/conda.yaml, without the libraries of CUDA."""
    lines = (ROOT / "trainer" / "conda.yaml").read_text(encoding="utf-8").splitlines()
    packages = [line.strip()[2:] for line in lines if re.match(r"\s{6}- ", line)]
    return [package.replace("[and-cuda]", "") for package in packages]


def prepared(environment: Path) -> Path:
    """Return the Python with the packages of Azure's image; create its environment if needed."""
    python = environment.absolute() / "bin" / "python"
    done = environment / "requirements.txt"
    wanted = "\n".join(requirements()) + "\n"
    if not done.is_file() or done.read_text(encoding="utf-8") != wanted:
        maker = shutil.which("python3.11") or sys.executable
        subprocess.run([maker, "-m", "venv", "--clear", str(environment)], check=True)
        command = [str(python), "-m", "pip", "install", "--quiet", *requirements()]
        subprocess.run(command, check=True)
        done.write_text(wanted, encoding="utf-8")
    return python


@contextmanager
def tracking_server(folder: Path) -> Iterator[str]:
    """Run an MLflow server on a free port of 127.0.0.1, with a new store; yield its address."""
    with socket.create_server(LOOPBACK) as probe:
        port = probe.getsockname()[1]
    store = f"sqlite:///{folder / 'mlflow.db'}"
    command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", store]
    command += ["--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    with (folder / "server.log").open("w") as log:
        process = subprocess.Popen(
            command, stdout=log, stderr=log, cwd=folder, start_new_session=True
        )
    try:
        uri = f"http://127.0.0.1:{port}"
        wait_until_healthy(process, uri)
        yield uri
    finally:
        # The server has child processes, which are in its process group.
        os.killpg(process.pid, 15)
        process.wait()


def wait_until_healthy(process: subprocess.Popen[bytes], uri: str) -> None:
    for _ in range(300):
        try:
            urllib.request.urlopen(f"{uri}/health", timeout=5).close()
        except (urllib.error.URLError, ConnectionError):
            try:
                raise RuntimeError(f"the tracking server ended with {process.wait(0.2)}")
            except subprocess.TimeoutExpired:
                continue
        else:
            return
    raise RuntimeError(f"no tracking server answers at {uri}")


def version(python: Path) -> str:
    code = "from importlib.metadata import version; print(version('tensorflow'))"
    command = [str(python), "-c", code]
    return subprocess.run(command, capture_output=True, check=True, text=True).stdout.strip()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--environment", type=Path, default=ROOT / "build" / "compat")
    older = prepared(parser.parse_args().environment)
    passed = failed = 0
    with tempfile.TemporaryDirectory() as name, tracking_server(Path(name)) as server:
        data = Path(name) / "digits"
        data.mkdir()
        write_sample(data)
        for python in (older, Path(sys.executable)):
            folder = Path(name) / f"case{passed + failed}"
            folder.mkdir()
            case = Case(python, folder, data, server)
            for step in STEPS:
                what = f"tensorflow {version(python)}: {step.__name__.replace('_', ' ')}"
                try:
                    step(case)
                except (AssertionError, subprocess.CalledProcessError, OSError) as error:
                    failed += 1
                    print(f"FAILED  {what}: {error}", flush=True)
                else:
                    passed += 1
                    print(f"ok      {what}", flush=True)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
