"""Fixtures of the trainer's tests: real digits, and runs of the real script."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from digits.lean import import_tensorflow

# Import TensorFlow as train.py does, before a test module imports TensorFlow in another way.
import_tensorflow(keras=True)

# MLflow reads this variable while it is imported. Runs of the script set it themselves.
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"

import keras  # noqa: E402, F401 - the packages that slow Keras down are hidden only above
from mlflow.tracking import MlflowClient  # noqa: E402

from digits.data import Split, load, split  # noqa: E402
from digits.settings import Settings  # noqa: E402
from tests.trainer.forking import TRAINER, ForkedScript, start_fork_server  # noqa: E402

del os.environ["MLFLOW_DISABLE_TELEMETRY"]


@pytest.fixture(scope="session")
def trainer() -> Path:
    """The folder that is copied to a compute target."""
    return TRAINER


@pytest.fixture(scope="session")
def mnist(request) -> Path:
    """The folder with all of MNIST, from `--data`."""
    folder = request.config.getoption("--data")
    if folder is None:
        pytest.skip("needs MNIST's files: make test-soak DATA=FOLDER")
    return folder.resolve()


@pytest.fixture
def settings(sample) -> Settings:
    return Settings(sample)


@pytest.fixture(scope="session")
def parts(sample) -> Split:
    digits, test = load(sample)
    return split(digits, test, 0.1, 42)


@dataclass
class Job:
    """A run of train.py with its own folder and its own MLflow run."""

    folder: Path
    store: str
    run_id: str
    arguments: list[str]

    def start(self, *more: str, **environment: str) -> ForkedScript:
        """Start a run as a fork of a process that has imported the libraries."""
        return ForkedScript(self._command(more), self.folder, self._variables(environment))

    def start_cold(self, *more: str, **environment: str) -> "subprocess.Popen[str]":
        """Start a run in a new Python process, as a user does."""
        return subprocess.Popen(
            [sys.executable, *self._command(more)],
            cwd=self.folder,
            env=self._variables(environment),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def finish(self, *more: str, **environment: str) -> "Result":
        return _finished(self.start(*more, **environment))

    def finish_cold(self, *more: str, **environment: str) -> "Result":
        return _finished(self.start_cold(*more, **environment))

    def _command(self, more: tuple[str, ...]) -> list[str]:
        return [str(TRAINER / "train.py"), *self.arguments, *more]

    def _variables(self, environment: dict[str, str]) -> dict[str, str]:
        own = {"MLFLOW_TRACKING_URI": self.store, "MLFLOW_RUN_ID": self.run_id}
        return {**os.environ, **own, **environment}

    def history(self) -> dict[str, list[tuple[int, float]]]:
        """Return every value of every metric in MLflow, in the order of the steps."""
        client = MlflowClient(self.store)
        return {
            key: sorted((m.step, m.value) for m in client.get_metric_history(self.run_id, key))
            for key in client.get_run(self.run_id).data.metrics
        }


@dataclass
class Result:
    code: int
    out: str
    err: str
    seconds: float


def _finished(process: "ForkedScript | subprocess.Popen[str]") -> Result:
    started = time.monotonic()
    out, err = process.communicate()
    return Result(process.returncode, out, err, time.monotonic() - started)


@pytest.fixture(scope="session")
def fork_server() -> None:
    """The process that scripts are forked from."""
    start_fork_server()


@pytest.fixture(scope="session")
def new_job(tmp_path_factory, sample, fork_server, empty_store) -> Callable[..., Job]:
    """Return a function that creates jobs. All jobs share one MLflow store."""
    store = f"sqlite:///{shutil.copy(empty_store, tmp_path_factory.mktemp('store'))}"
    client = MlflowClient(store)

    def new(*arguments: str) -> Job:
        folder = tmp_path_factory.mktemp("job")
        run = client.create_run("0")
        return Job(folder, store, run.info.run_id, ["--data-folder", str(sample), *arguments])

    return new


@pytest.fixture(scope="session")
def long_arguments() -> list[str]:
    """Arguments with so many epochs that a test can stop the run in the middle."""
    return ["--epochs", "40", "--checkpoints", "checkpoints", "--learning-rate", "0.05"]


@pytest.fixture(scope="session")
def trained(new_job, long_arguments) -> tuple[Job, Result]:
    """A run that was not stopped."""
    job = new_job(*long_arguments)
    result = job.finish()
    assert result.code == 0, result.err
    return job, result
