import socket

import pytest

from mnist_exp.errors import RefusedError
from mnist_exp.workspaces.local.endpoints.front_client import listen


def test_without_a_port_any_free_port_of_loopback_is_taken():
    with listen(None) as first, listen(None) as second:
        assert first.getsockname()[0] == "127.0.0.1"
        assert first.getsockname() != second.getsockname()


def test_a_taken_port_is_a_conflict():
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(RefusedError, match=rf"^endpoint\.port: .*got {port} .*choose another"):
            listen(port)


def test_a_port_with_a_listener_of_ours_is_taken():
    with listen(None) as ours, pytest.raises(RefusedError):
        listen(ours.getsockname()[1])


def test_a_number_that_is_no_port_is_a_conflict():
    with pytest.raises(RefusedError, match="got 70000"):
        listen(70_000)
