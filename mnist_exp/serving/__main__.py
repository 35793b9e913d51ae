"""Start the HTTP server process of an endpoint (the front) in the background.

    python -P -m mnist_exp.serving FOLDER LISTENER_FD READY_FD

`mnist_exp.workspaces.local.endpoints` starts this module and passes two sockets to it. The module
forks: the child process becomes the front, and the first process exits immediately. The front is
therefore not a child process of the command. Otherwise a front that ends would stay a zombie as
long as the command runs.
"""

import os
import socket
import sys
from pathlib import Path

from mnist_exp.serving.server import serve


def main(arguments: list[str]) -> None:
    """Fork, and run the front in the child process."""
    folder, listener_fd, ready_fd = arguments
    if os.fork():
        os._exit(0)
    listener = socket.socket(fileno=int(listener_fd))
    ready = socket.socket(fileno=int(ready_fd))
    # The workers must not inherit the two sockets.
    listener.set_inheritable(False)
    ready.set_inheritable(False)
    serve(Path(folder), listener, ready)


if __name__ == "__main__":
    main(sys.argv[1:])
