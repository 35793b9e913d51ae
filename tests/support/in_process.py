"""The command line in this process, which saves the time to start a separate process."""

import contextlib
import gc
import io
import os
import signal
import subprocess
import sys
import traceback
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest
from hydra._internal.hydra import Hydra
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig

from mnist_exp.cli.main import main
from tests.support.command_line import Cli

#: The signals that `main` handles.
_HANDLED = (signal.SIGTERM, signal.SIGHUP)
#: A module that a command on the local workspace hides.
_PLUGIN = "azureml.mlflow"
#: A variable that `mnist_exp.workspaces` sets when it is imported, once in this process.
_SET_AT_IMPORT = "MLFLOW_DISABLE_TELEMETRY"


class InProcessCli(Cli):
    """A `Cli` that calls `main` in this process. Use it only for commands that start no job."""

    def __call__(
        self, *arguments: str, env: Mapping[str, str] | None = None
    ) -> "subprocess.CompletedProcess[str]":
        """Run a command to its end."""
        environment = {**self.environment, _SET_AT_IMPORT: "true", **(env or {})}
        out, err = _text_file(), _text_file()
        with (
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
            _state_kept(),
            _composed_once(arguments),
            contextlib.chdir(self.folder),
        ):
            os.environ.clear()
            os.environ.update(environment)
            sys.argv = ["mnist-exp", *arguments]
            code = _exit_code()
        return subprocess.CompletedProcess(self.command(*arguments), code, _read(out), _read(err))


@pytest.fixture
def in_process_cli(tmp_path: Path, cache: Path) -> InProcessCli:
    """The command line in this process, in an empty folder."""
    return InProcessCli(tmp_path, cache)


@pytest.fixture
def stored_cli(in_process_cli: InProcessCli, stored_outputs: Path) -> InProcessCli:
    """The command line in this process, with an MLflow store in its outputs folder."""
    assert stored_outputs == in_process_cli.outputs
    return in_process_cli


def _exit_code() -> int:
    """Run `main` and return the exit code that a process would have."""
    try:
        main()
    except SystemExit as leaving:
        return leaving.code if isinstance(leaving.code, int) else 0
    except Exception:
        traceback.print_exc()
        return 1
    return 0


@contextlib.contextmanager
def _composed_once(arguments: Sequence[str]) -> Iterator[None]:
    """Let Hydra compose the config once, in a command that does not configure Hydra.

    Hydra composes a config twice. The first time, it only reads `hydra.mode`, which is unset.
    """
    with pytest.MonkeyPatch.context() as patch:
        if not any("hydra" in word or word.startswith(("-c", "--config")) for word in arguments):
            patch.setattr(Hydra, "get_mode", lambda *_, **__: None)
        yield


@contextlib.contextmanager
def _state_kept() -> Iterator[None]:
    """Restore the state of this process that a command changes, such as the environment."""
    environment, arguments = dict(os.environ), sys.argv
    handlers = {number: signal.getsignal(number) for number in _HANDLED}
    threshold = gc.get_threshold()
    has_plugin = _PLUGIN in sys.modules
    _clear_hydra()
    try:
        with warnings.catch_warnings():
            yield
    finally:
        _clear_hydra()
        if not has_plugin and sys.modules.get(_PLUGIN, sys) is None:
            del sys.modules[_PLUGIN]
        gc.set_threshold(*threshold)
        for number, handler in handlers.items():
            signal.signal(number, handler)
        sys.argv = arguments
        os.environ.clear()
        os.environ.update(environment)


def _clear_hydra() -> None:
    GlobalHydra.instance().clear()
    HydraConfig.instance().cfg = None


def _text_file() -> io.TextIOWrapper:
    """Return a file in memory with the encoding that a pipe has."""
    return io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True)


def _read(file: io.TextIOWrapper) -> str:
    buffer = file.detach()
    assert isinstance(buffer, io.BytesIO)
    return buffer.getvalue().decode("utf-8")
