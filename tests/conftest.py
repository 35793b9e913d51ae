"""What tests of the command line and of whole processes share."""

import compileall
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from mnist_exp.workspaces.local.tracking.database import STORE_NAME
from tests.azure_emulator.certificates import Certificates, make_certificates
from tests.guard.sitecustomize import LOG_VARIABLE, install

pytest_plugins = ["tests.support.azure_commands", "tests.support.in_process"]

# A shell that starts this in the background has it ignore these, and so would every command that is
# tested; a handler, unlike that, is not handed on.
for _number, _usual in (
    (signal.SIGINT, signal.default_int_handler),
    (signal.SIGHUP, signal.SIG_DFL),
):
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, _usual)

REPOSITORY = Path(__file__).resolve().parent.parent

GUARD = REPOSITORY / "tests" / "guard"

#: Seconds after which a command is taken to hang.
PATIENCE_S = 240


@pytest.fixture(scope="session", autouse=True)
def socket_guard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Let no test, and no command that a test runs, reach out to anything but loopback."""
    log = tmp_path_factory.mktemp("guard") / "attempts.txt"
    os.environ[LOG_VARIABLE] = str(log)
    install()
    yield
    del os.environ[LOG_VARIABLE]
    attempts = log.read_text(encoding="utf-8") if log.exists() else ""
    assert not attempts, f"something tried to leave loopback:\n{attempts}"


def pytest_configure(config: pytest.Config) -> None:
    """Compile what commands load, once: they write no bytecode themselves."""
    if not hasattr(config, "workerinput"):
        for name in ("mnist_exp", "trainer"):
            compileall.compile_dir(REPOSITORY / name, quiet=1)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Take options of single modules."""
    parser.addoption("--rewrite-wire", action="store_true", help="see tests/workspaces/azure")
    parser.addoption("--data", type=Path, help="folder with MNIST's four files, for soak tests")


class Cli:
    """Runs `python -m mnist_exp` as a user would, in a folder of its own."""

    def __init__(self, folder: Path, cache: Path) -> None:
        self.folder = folder
        self.environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("AZURE", "HYDRA", "MLFLOW", "MNIST_EXP", "PYTHON"))
        } | {"XDG_CACHE_HOME": str(cache), "COLUMNS": "120", "PYTHONDONTWRITEBYTECODE": "1"}
        # Commands stay on loopback as the tests themselves do.
        self.environment |= {"PYTHONPATH": str(GUARD), LOG_VARIABLE: os.environ[LOG_VARIABLE]}

    @property
    def outputs(self) -> Path:
        """The outputs folder below the folder that commands run in."""
        return self.folder / "outputs"

    def command(self, *arguments: str) -> list[str]:
        """Return the argument list of a call."""
        return [sys.executable, "-m", "mnist_exp", *arguments]

    def __call__(
        self, *arguments: str, env: Mapping[str, str] | None = None
    ) -> "subprocess.CompletedProcess[str]":
        """Run a command to its end."""
        return subprocess.run(
            self.command(*arguments),
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
            json.loads(Path(entry["folder"], "run.json").read_text(encoding="utf-8"))
            for entry in entries
            if entry["stage"] == stage
        ]


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """An authority of this run and a certificate for 127.0.0.1, for the emulator of Azure."""
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache folder that the tests of one worker share."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def cli(tmp_path: Path, cache: Path) -> Cli:
    """The command line, in an empty folder."""
    return Cli(tmp_path, cache)


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An MLflow store without runs, to be copied: to make one takes seconds."""
    folder = tmp_path_factory.mktemp("store")
    (folder / "artifacts").mkdir()
    # MLflow, which few of the tests that share this file need.
    from mnist_exp.workspaces.local.tracking.store import Tracking  # noqa: PLC0415

    Tracking(folder).start("empty", "empty", folder / "artifacts", {})
    return folder / STORE_NAME


@pytest.fixture
def stored_cli(tmp_path: Path, cache: Path, empty_store: Path) -> Cli:
    """The command line, in a folder whose outputs have an MLflow store."""
    cli = Cli(tmp_path, cache)
    cli.outputs.mkdir()
    shutil.copyfile(empty_store, cli.outputs / STORE_NAME)
    return cli


@pytest.fixture(scope="session")
def make_cli(cache: Path) -> Callable[[Path], Cli]:
    """For fixtures of a wider scope: the command line in a folder of the caller's."""
    return lambda folder: Cli(folder, cache)
