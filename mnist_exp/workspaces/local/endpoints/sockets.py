"""The port of a deployment, on 127.0.0.1 and no other address."""

import socket

from mnist_exp.errors import ConflictError

__all__ = ["LOOPBACK", "listen"]

LOOPBACK = "127.0.0.1"


def listen(port: int | None, shared: bool = False) -> socket.socket:
    """Return a socket on a port: `port`, or a free one that the system picks.

    Args:
        port: Asked for; None takes any.
        shared: The port is a running revision's of the same deployment. Both then answer until
            the old one ends, and no moment is without an answer (SO_REUSEPORT, socket(7)).

    Raises:
        ConflictError: The port is taken.
    """
    if port is not None and not shared:
        _check_free(port)
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        listener.bind((LOOPBACK, port or 0))
        if not shared:
            # The port is ours from here on; a shared one must get no request before it is ready.
            listener.listen()
    except OSError as error:
        listener.close()
        raise _conflict(port, error) from error
    return listener


def _check_free(port: int) -> None:
    """Without SO_REUSEPORT, so that another endpoint's port is refused too."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
            probe.listen()
        # OverflowError: no port at all.
        except (OSError, OverflowError) as error:
            raise _conflict(port, error) from error


def _conflict(port: int | None, error: Exception) -> ConflictError:
    reason = getattr(error, "strerror", None) or str(error)
    return ConflictError(
        f"endpoint.port: must be a free port of {LOOPBACK}, got {port} ({reason}); "
        "choose another, or null for any free one"
    )
