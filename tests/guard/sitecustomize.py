"""Keeps a Python process on loopback: for tests, in this process and in those that it starts.

Found as `sitecustomize` where PYTHONPATH has this folder. What tries to get out gets an error, and
a line in the file that MNIST_EXP_SOCKET_GUARD names.
"""

import ipaddress
import os
import sys
from typing import Any

LOG_VARIABLE = "MNIST_EXP_SOCKET_GUARD"
#: Events whose arguments name another host: the place of that argument.
EVENTS = {"socket.connect": 1, "socket.sendto": 1, "socket.getaddrinfo": 0}
NAMES = {None, "", "localhost", "0.0.0.0", b"localhost"}


def install() -> None:
    """Watch this process from now on."""
    sys.addaudithook(_hook)


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    place = EVENTS.get(event)
    if place is None:
        return
    target = arguments[place]
    # A path or bytes is a socket of this machine; an address begins with the host.
    host = target[0] if isinstance(target, tuple) else target
    if event != "socket.getaddrinfo" and not isinstance(target, tuple):
        return
    if not _is_loopback(host):
        _note(event, host)
        raise OSError(f"the socket guard of the tests lets nothing out: {event} {host}")


def _is_loopback(host: Any) -> bool:
    if host in NAMES:
        return True
    try:
        return ipaddress.ip_address(str(host).partition("%")[0]).is_loopback
    except ValueError:
        return False


def _note(event: str, host: Any) -> None:
    if path := os.environ.get(LOG_VARIABLE):
        with open(path, "a", encoding="utf-8") as file:  # noqa: PTH123 - as little as can be
            file.write(f"{os.getpid()} {event} {host}\n")


if os.environ.get(LOG_VARIABLE):
    install()
