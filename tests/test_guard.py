"""The guards of the suite: loopback only, no cache of the real user, and external tests."""

import os
import socket
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from platformdirs import user_cache_path

from tests.guard.sitecustomize import LOG_VARIABLE
from tests.support.external_use import ExternalUse, leaks_found_by_collecting
from tests.support.paths import GUARD

pytestmark = pytest.mark.external

#: An address of a range that is reserved for documentation: https://www.rfc-editor.org/rfc/rfc5737
RESERVED = "192.0.2.1"


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A log other than the session's, which must stay empty."""
    path = tmp_path / "guard.txt"
    monkeypatch.setenv(LOG_VARIABLE, str(path))
    return path


def test_this_process_cannot_leave_loopback(log: Path) -> None:
    with pytest.raises(OSError, match="socket guard"), socket.socket() as one:
        one.connect((RESERVED, 80))
    with pytest.raises(OSError, match="socket guard"):
        socket.getaddrinfo("management.azure.com", 443)
    assert len(log.read_text(encoding="utf-8").splitlines()) == 2


def test_processes_that_tests_start_cannot_either(log: Path) -> None:
    script = f"import socket; socket.create_connection(({RESERVED!r}, 80), 1)"
    environment = {**os.environ, "PYTHONPATH": str(GUARD)}
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=False
    )
    assert "socket guard" in done.stderr
    assert RESERVED in log.read_text(encoding="utf-8")


def test_loopback_is_free(log: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(server.getsockname()).close()
    assert not log.exists()


def test_the_cache_of_the_user_is_a_folder_of_this_run(cache: Path) -> None:
    assert user_cache_path("mnist_exp") == cache / "mnist_exp"
    assert os.environ["UV_CACHE_DIR"] == str(cache / "uv")


def open_store() -> None:
    sqlite3.connect(":memory:").close()


def test_use_of_processes_sockets_and_stores_is_found() -> None:
    use = ExternalUse()
    use.watch()
    subprocess.run(["git", "--version"], check=True, capture_output=True)
    assert use.found == set()
    subprocess.run(["true"], check=True)
    socket.create_server(("127.0.0.1", 0)).close()
    open_store()
    assert {text.partition(" (")[0] for text in use.found} == {"a process", "a socket", "a store"}


def test_only_threads_of_earlier_tests_are_exempt() -> None:
    use = ExternalUse()
    use.watch()
    with ThreadPoolExecutor(1) as earlier:
        earlier.submit(int).result()
        use.forget()
        earlier.submit(open_store).result()
        assert use.found == set()
    with ThreadPoolExecutor(1) as ours:
        ours.submit(open_store).result()
    assert use.found == {"a store (sqlite3.connect)"}


def test_a_socket_that_nobody_closes_is_found() -> None:
    cycle: dict[str, object] = {"socket": socket.socket()}
    cycle["itself"] = cycle
    del cycle
    (leak,) = leaks_found_by_collecting()
    assert leak.startswith("ResourceWarning")
    assert "unclosed <socket.socket" in leak
    assert leaks_found_by_collecting() == []
