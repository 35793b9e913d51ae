"""The process of an MLflow tracking server on 127.0.0.1.

    python -P -m mnist_exp.workspaces.local.tracking.server_process LISTENER_FD JOBS

`served_store` starts this module, and passes the socket on which the server listens. The process
ends when its standard input closes, because the command that started the process has then ended. If
the command was killed, jobs may still be saving their state. The server therefore waits until all
jobs in the folder JOBS have ended, but at most 15 seconds.
"""

import os
import socket
import sys
import threading
import time
from pathlib import Path

import uvicorn

from mnist_exp.hidden_imports import absent
from mnist_exp.workspaces.local.processes.job_orphans import find_processes

#: Maximum seconds to wait for the jobs of a killed command. A supervisor kills its job after ten
#: seconds.
_PARTING_S = 15.0
_LOOK_S = 0.1
#: MLflow's plugin for Azure, which a local store does not need.
_PLUGIN = "azureml.mlflow"


def main(arguments: list[str]) -> None:
    """Serve the store that MLflow's environment variables name."""
    listener = socket.socket(fileno=int(arguments[0]))
    watch = threading.Thread(target=_end_with_command, args=(Path(arguments[1]),), daemon=True)
    # Watch the command before the import, which takes seconds: the command may end meanwhile.
    watch.start()
    with absent(_PLUGIN):
        from mlflow.server.fastapi_app import app  # noqa: PLC0415
    config = uvicorn.Config(app, access_log=False, log_level="warning")
    uvicorn.Server(config).run(sockets=[listener])


def _end_with_command(jobs: Path) -> None:
    while os.read(sys.stdin.fileno(), 1):
        pass
    deadline = time.monotonic() + _PARTING_S
    while time.monotonic() < deadline and find_processes(
        lambda work: Path(work).is_relative_to(jobs)
    ):
        time.sleep(_LOOK_S)
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1:])
