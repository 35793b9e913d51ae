"""Start an endpoint's front in the background.

    python -P -m mnist_exp.serving FOLDER LISTENER_FD READY_FD

Started by `mnist_exp.workspaces.local.endpoints`, which hands over two sockets. It returns at
once and leaves a process of its own behind, whose parent is not the command that made it: a
command that lives on never has a zombie of it.
"""

import os
import socket
import sys
from pathlib import Path

from mnist_exp.serving.server import serve


def main(arguments: list[str]) -> None:
    """Fork and serve in the child."""
    folder, listener_fd, ready_fd = arguments
    if os.fork():
        os._exit(0)
    listener = socket.socket(fileno=int(listener_fd))
    ready = socket.socket(fileno=int(ready_fd))
    # Workers must hold neither.
    listener.set_inheritable(False)
    ready.set_inheritable(False)
    serve(Path(folder), listener, ready)


if __name__ == "__main__":
    main(sys.argv[1:])
