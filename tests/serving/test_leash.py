import json
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from mnist_exp.serving.leash import READY, Leash

#: Twenty looks at the record.
PERIODS_S = 0.2


class Watched:
    """A leash whose thread has been started."""

    def __init__(self, record: Path) -> None:
        self.starter, self.server = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.left = threading.Event()
        self.leash = Leash(self.server, record)
        self.leash.watch(lambda why: self.left.set())


@pytest.fixture
def record(tmp_path: Path) -> Path:
    return tmp_path / "blue" / "deployment.json"


@pytest.fixture
def watched(record: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Watched]:
    monkeypatch.setattr("mnist_exp.serving.leash.PERIOD_S", PERIODS_S / 20)
    record.parent.mkdir()
    watched = Watched(record)
    yield watched
    watched.starter.close()
    record.unlink(missing_ok=True)
    assert watched.left.wait(30)
    watched.server.close()


def name(record: Path, pid: int | None) -> None:
    record.write_text(json.dumps({"process": pid and {"pid": pid}}))


def test_the_starter_hears_how_far_the_server_is(watched: Watched):
    watched.leash.say(b"17")
    watched.leash.say(READY)
    assert [watched.starter.recv(64) for _ in range(2)] == [b"17", READY]


def test_it_stays_while_the_starter_holds_on(watched: Watched):
    assert not watched.left.wait(PERIODS_S)


@pytest.mark.parametrize("pid", [None, 1])
def test_it_leaves_when_the_starter_goes_and_the_record_names_another(
    watched: Watched, record: Path, pid: int | None
):
    name(record, pid)
    watched.starter.close()
    assert watched.left.wait(30)
    watched.leash.say(READY)


def test_it_stays_while_the_record_names_it_and_leaves_when_it_does_not(
    watched: Watched, record: Path
):
    name(record, os.getpid())
    watched.starter.close()
    assert not watched.left.wait(PERIODS_S)
    name(record, 1)
    assert watched.left.wait(30)


def test_a_record_that_cannot_be_read_is_no_reason_to_leave(watched: Watched, record: Path):
    record.write_text("{")
    watched.starter.close()
    assert not watched.left.wait(PERIODS_S)
