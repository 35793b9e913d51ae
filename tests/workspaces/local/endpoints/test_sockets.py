import socket

import pytest

from mnist_exp.errors import RefusedError
from mnist_exp.workspaces.local.endpoints.sockets import listen


def test_any_free_port_of_loopback_is_taken():
    with listen(None) as first, listen(None) as second:
        assert first.getsockname()[0] == "127.0.0.1"
        assert first.getsockname() != second.getsockname()


def test_a_taken_port_is_a_conflict_that_names_the_key():
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(RefusedError, match=rf"^endpoint\.port: .*got {port} .*choose another"):
            listen(port)


def test_another_endpoints_port_is_taken_too():
    with listen(None) as ours, pytest.raises(RefusedError):
        listen(ours.getsockname()[1])


def test_no_port_at_all_is_a_conflict():
    with pytest.raises(RefusedError, match="got 70000"):
        listen(70_000)
