"""The port of an endpoint, on 127.0.0.1 and no other address."""

import socket

from mnist_exp.errors import RefusedError

LOOPBACK = "127.0.0.1"


def listen(port: int | None) -> socket.socket:
    """Return a listening socket on a port: `port`, or a free one that the system picks.

    Raises:
        RefusedError: The port is taken.
    """
    listener = socket.socket()
    # Without it, connections of the process before would keep the port for a minute.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((LOOPBACK, port or 0))
        listener.listen(socket.SOMAXCONN)
    # OverflowError: no port at all.
    except (OSError, OverflowError) as error:
        listener.close()
        reason = getattr(error, "strerror", None) or str(error)
        raise RefusedError(
            f"endpoint.port: must be a free port of {LOOPBACK}, got {port} ({reason}); "
            "choose another, or null for any free one"
        ) from error
    return listener
