import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mnist_exp.workspaces.local.endpoints.server_processes import (
    end_processes,
    ends_within,
    process_id,
    servers_below,
    serves_another,
)

SLEEPS = "import sys; print('up', flush=True); sys.stdin.read()"
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN);" + SLEEPS


@pytest.fixture
def child(request: pytest.FixtureRequest) -> Iterator[subprocess.Popen[bytes]]:
    code = getattr(request, "param", SLEEPS)
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", code], stdin=pipe, stdout=pipe) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process
        process.kill()


def test_a_process_that_is_ending_is_waited_for(child: "subprocess.Popen[bytes]"):
    who = process_id(child.pid)
    assert who is not None
    assert not ends_within(who, 0)
    assert child.stdin is not None
    child.stdin.close()
    assert ends_within(who, 60)


def test_a_zombie_is_not_alive(
    child: "subprocess.Popen[bytes]",
):
    who = process_id(child.pid)
    assert who is not None
    assert who.is_alive
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert not who.is_alive
    assert process_id(child.pid) is None


def test_a_process_id_beyond_the_last_has_no_process(child: "subprocess.Popen[bytes]"):
    assert process_id(2**22 + 1) is None


@pytest.mark.parametrize("change", [{"started": 1}, {"boot": "another boot"}])
def test_a_reused_process_id_gets_no_signal(
    child: "subprocess.Popen[bytes]", change: dict[str, Any]
):
    who = process_id(child.pid)
    assert who is not None
    earlier = replace(who, **change)
    assert not earlier.is_alive
    end_processes([earlier], grace_s=0)
    assert child.poll() is None


def test_a_process_ends_by_sigterm(child: "subprocess.Popen[bytes]"):
    end_processes([process_id(child.pid)] * 2, grace_s=60)
    assert child.wait() == -signal.SIGTERM


@pytest.mark.parametrize("child", [STUBBORN], indirect=True)
def test_a_stubborn_process_is_killed(child: "subprocess.Popen[bytes]"):
    end_processes([process_id(child.pid)], grace_s=0.05)
    assert child.wait() == -signal.SIGKILL


def test_ending_an_ended_process_is_no_error(child: "subprocess.Popen[bytes]"):
    who = process_id(child.pid)
    child.kill()
    child.wait()
    end_processes([who], grace_s=0)


def test_only_servers_below_the_folder_are_found(child: "subprocess.Popen[bytes]", tmp_path: Path):
    assert servers_below(tmp_path) == []


def test_a_server_of_a_copied_folder_is_known(tmp_path: Path):
    original, copied = tmp_path / "original", tmp_path / "copied"
    for folder in (original, copied):
        folder.mkdir()
    # The command line of a front: the module and the folder are its fourth and fifth argument.
    pipe = subprocess.PIPE
    words = [sys.executable, "-c", SLEEPS, "mnist_exp.serving", str(original)]
    with subprocess.Popen(words, stdin=pipe, stdout=pipe) as process:
        assert process.stdout is not None
        process.stdout.readline()
        who = process_id(process.pid)
        assert who is not None
        assert not serves_another(who, original)
        assert serves_another(who, copied)
        original.rename(tmp_path / "moved")
        assert not serves_another(who, tmp_path / "moved")
        process.kill()
