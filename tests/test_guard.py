"""The guard that keeps all tests on loopback."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.guard.sitecustomize import LOG_VARIABLE
from tests.support.paths import GUARD

#: Of a range that is nobody's: https://www.rfc-editor.org/rfc/rfc5737
NOBODY = "192.0.2.1"


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Another file than the one that must stay empty."""
    path = tmp_path / "guard.txt"
    monkeypatch.setenv(LOG_VARIABLE, str(path))
    return path


def test_this_process_cannot_leave_loopback(log: Path) -> None:
    with pytest.raises(OSError, match="socket guard"), socket.socket() as one:
        one.connect((NOBODY, 80))
    with pytest.raises(OSError, match="socket guard"):
        socket.getaddrinfo("management.azure.com", 443)
    assert len(log.read_text(encoding="utf-8").splitlines()) == 2


def test_nor_can_the_processes_that_tests_start(log: Path) -> None:
    script = f"import socket; socket.create_connection(({NOBODY!r}, 80), 1)"
    environment = {**os.environ, "PYTHONPATH": str(GUARD)}
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=False
    )
    assert "socket guard" in done.stderr
    assert NOBODY in log.read_text(encoding="utf-8")


def test_loopback_is_free(log: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(server.getsockname()).close()
    assert not log.exists()
