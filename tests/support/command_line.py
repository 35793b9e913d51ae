"""The command line in a separate process, and the folders that commands run in."""

import fcntl
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from mnist_exp.workspaces.local.tracking.database import STORE_NAME
from tests.guard.sitecustomize import LOG_VARIABLE
from tests.support.paths import GUARD

#: Seconds after which a command is considered hung.
PATIENCE_S = 240
#: Prefixes of environment variables that would change what a command does.
_HIDDEN = ("AZURE", "HYDRA", "MLFLOW", "MNIST_EXP", "PYTHON")


class Cli:
    """A function that runs `python -m mnist_exp` as a user does.

    Args:
        folder: The folder that commands run in.
        cache: The cache folder of the user, as an absolute path.
    """

    def __init__(self, folder: Path, cache: Path) -> None:
        # A command ignores a relative XDG_CACHE_HOME, and would use the cache of the real user.
        assert isinstance(cache, Path), cache
        assert cache.is_absolute(), cache
        self.folder = folder
        self.environment = {
            name: value for name, value in os.environ.items() if not name.startswith(_HIDDEN)
        } | {"XDG_CACHE_HOME": str(cache), "COLUMNS": "120", "PYTHONDONTWRITEBYTECODE": "1"}
        # The commands also use the socket guard.
        self.environment |= {"PYTHONPATH": str(GUARD), LOG_VARIABLE: os.environ[LOG_VARIABLE]}

    @property
    def outputs(self) -> Path:
        """The default outputs folder."""
        return self.folder / "outputs"

    def command(self, *arguments: str) -> list[str]:
        """Return the argument list of a process."""
        return [sys.executable, "-m", "mnist_exp", *arguments]

    def __call__(
        self, *arguments: str, env: Mapping[str, str] | None = None
    ) -> "subprocess.CompletedProcess[str]":
        """Run a command to its end."""
        return self.run(self.command(*arguments), env)

    def run(
        self, command: Sequence[str], env: Mapping[str, str] | None = None
    ) -> "subprocess.CompletedProcess[str]":
        """Run a program to its end, with the folder and the environment of the commands."""
        return subprocess.run(
            command,
            cwd=self.folder,
            env={**self.environment, **(env or {})},
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )

    def ok(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run a command that must succeed."""
        done = self(*arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        return done

    def records(self, stage: str) -> list[dict[str, Any]]:
        """Return the records of a stage, oldest first."""
        lines = (self.outputs / "index.jsonl").read_text(encoding="utf-8").splitlines()
        entries = [json.loads(line) for line in lines]
        return [
            json.loads((self.outputs / entry["folder"] / "run.json").read_text(encoding="utf-8"))
            for entry in entries
            if entry["stage"] == stage
        ]


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all workers of this run share."""
    folder = tmp_path_factory.getbasetemp()
    shared = (folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder) / "shared"
    shared.mkdir(exist_ok=True)
    return shared


@pytest.fixture(scope="session")
def cache(shared_folder: Path) -> Path:
    """A cache folder that all tests share."""
    return shared_folder / "cache"


@pytest.fixture
def cli(tmp_path: Path, cache: Path) -> Cli:
    """The command line in a separate process, in an empty folder."""
    return Cli(tmp_path, cache)


@pytest.fixture(scope="session")
def make_cli(cache: Path) -> Callable[[Path], Cli]:
    """Return a function that creates a `Cli` for a folder."""
    return lambda folder: Cli(folder, cache)


@pytest.fixture(scope="session")
def empty_store(shared_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An MLflow store without runs. Tests copy it: MLflow needs seconds to create a store."""
    store = shared_folder / STORE_NAME
    with (shared_folder / "store.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not store.exists():
            folder = tmp_path_factory.mktemp("store")
            (folder / "artifacts").mkdir()
            # This import loads MLflow, which few tests need.
            from mnist_exp.workspaces.local.tracking.store import Tracking  # noqa: PLC0415

            Tracking(folder).start("empty", "empty", folder / "artifacts", {})
            shutil.copyfile(folder / STORE_NAME, store)
    return store


@pytest.fixture
def stored_outputs(tmp_path: Path, empty_store: Path) -> Path:
    """The outputs folder of `cli`, with an empty MLflow store."""
    outputs = tmp_path / "outputs"
    outputs.mkdir()
    shutil.copyfile(empty_store, outputs / STORE_NAME)
    return outputs
