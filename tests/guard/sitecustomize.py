"""Keeps a Python process on loopback, for tests.

Tests install the guard in their own process. A process that they start imports this module as
`sitecustomize`, because its PYTHONPATH has this folder. An attempt to leave loopback is an error,
and is logged in the file that MNIST_EXP_SOCKET_GUARD names.
"""

import ipaddress
import os
import sys
from typing import Any

LOG_VARIABLE = "MNIST_EXP_SOCKET_GUARD"
#: Audit event -> position of the argument that names a host.
EVENTS = {"socket.connect": 1, "socket.sendto": 1, "socket.getaddrinfo": 0}
NAMES = {None, "", "localhost", "0.0.0.0", b"localhost"}


def install() -> None:
    """Guard this process from now on."""
    sys.addaudithook(_hook)


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    place = EVENTS.get(event)
    if place is None:
        return
    target = arguments[place]
    # The address of a Unix socket is a path. Other addresses are tuples, with the host first.
    host = target[0] if isinstance(target, tuple) else target
    if event != "socket.getaddrinfo" and not isinstance(target, tuple):
        return
    if not _is_loopback(host):
        _note(event, host)
        raise OSError(f"the socket guard of the tests allows loopback only: {event} {host}")


def _is_loopback(host: Any) -> bool:
    if host in NAMES:
        return True
    try:
        return ipaddress.ip_address(str(host).partition("%")[0]).is_loopback
    except ValueError:
        return False


def _note(event: str, host: Any) -> None:
    if path := os.environ.get(LOG_VARIABLE):
        with open(path, "a", encoding="utf-8") as file:  # noqa: PTH123 - without importing pathlib
            file.write(f"{os.getpid()} {event} {host}\n")


if os.environ.get(LOG_VARIABLE):
    install()
