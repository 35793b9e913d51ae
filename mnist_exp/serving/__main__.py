"""Start a server process in the background.

    python -P -m mnist_exp.serving FOLDER LISTENER_FD LEASH_FD

Started by `mnist_exp.workspaces.local.endpoints`, which hands over the two sockets. It returns
at once and leaves a process of its own behind, whose parent is not the command that made it: a
command that lives on never has a zombie of it.
"""

import os
import socket
import sys
from pathlib import Path

from mnist_exp.serving.server import serve


def main(arguments: list[str]) -> None:
    """Fork and serve in the child."""
    folder, listener_fd, leash_fd = arguments
    if os.fork():
        os._exit(0)
    listener = socket.socket(fileno=int(listener_fd))
    connection = socket.socket(fileno=int(leash_fd))
    # What the script starts must hold neither the port nor the leash.
    listener.set_inheritable(False)
    connection.set_inheritable(False)
    code = serve(Path(folder), listener, connection)
    sys.stdout.flush()
    sys.stderr.flush()
    # Not by returning: a thread that the script left behind must not keep the process alive.
    os._exit(code)


if __name__ == "__main__":
    main(sys.argv[1:])
