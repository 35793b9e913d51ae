"""Start an endpoint's front in the background.

    python -P -m mnist_exp.serving FOLDER LISTENER_FD READY_FD

`mnist_exp.workspaces.local.endpoints` starts this module and hands over two sockets. The module
forks and its first process exits at once. The front is then no child of the command that started
it, so a command that runs for long never holds the front as a zombie.
"""

import os
import socket
import sys
from pathlib import Path

from mnist_exp.serving.server import serve


def main(arguments: list[str]) -> None:
    """Fork, and serve in the child."""
    folder, listener_fd, ready_fd = arguments
    if os.fork():
        os._exit(0)
    listener = socket.socket(fileno=int(listener_fd))
    ready = socket.socket(fileno=int(ready_fd))
    # Workers must inherit neither socket.
    listener.set_inheritable(False)
    ready.set_inheritable(False)
    serve(Path(folder), listener, ready)


if __name__ == "__main__":
    main(sys.argv[1:])
