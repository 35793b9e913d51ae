"""Requests that commands send to an endpoint's front, over a socket in the endpoint's folder.

Each request and each answer is one line of JSON. A revision is one version of a deployment. The key
`verb` of a request has one of these values:

| verb | action of the front |
|---|---|
| prepare | start a new revision while the old revision runs; answer whether the start succeeded |
| apply | read the endpoint's files again; answer when the front uses their content |
| report | answer with the workers, restarts and statistics of each deployment |

A command that deploys a revision sends `prepare`, saves the number of the revision in the state of
the deployment, and sends `apply`. If the command is killed before it saves the number, its
connection closes and the front ends the workers of the prepared revision.
"""

import asyncio
import json
import os
import socket
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mnist_exp.serving.files import FRONT_SOCKET

_Answer = Mapping[str, Any]
_Handler = Callable[[Mapping[str, Any]], Coroutine[Any, Any, _Answer]]


class ControlServer:
    """The server for control requests, on the front's side of the socket.

    Args:
        folder: The endpoint's folder.
        handle: Function that returns the answer to a control request.
        settle: Function that keeps or ends a prepared revision. The server calls the function when
            a command has sent `prepare` and then closes its connection. Argument: the name of the
            deployment.
    """

    def __init__(
        self, folder: Path, handle: _Handler, settle: Callable[[str], Awaitable[None]]
    ) -> None:
        self._folder = folder
        self._handle = handle
        self._settle = settle
        self._server: asyncio.Server | None = None

    async def open(self) -> None:
        """Create the socket, and accept connections."""
        (self._folder / FRONT_SOCKET).unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX)
        with _address(self._folder) as address:
            listener.bind(address)
        (self._folder / FRONT_SOCKET).chmod(0o600)
        self._server = await asyncio.start_unix_server(self._converse, sock=listener)

    def close(self) -> None:
        """Stop accepting connections."""
        if self._server is not None:
            self._server.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        prepared: set[str] = set()
        try:
            await self._answer_all(reader, writer, prepared)
        except ConnectionError:
            pass
        finally:
            for deployment in prepared:
                await self._settle(deployment)
            writer.close()

    async def _answer_all(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, prepared: set[str]
    ) -> None:
        while line := await reader.readline():
            request = json.loads(line)
            if request["verb"] == "prepare":
                prepared.add(request["deployment"])
                answer = await self._unless_closed(self._handle(request), reader)
            else:
                answer = await self._handle(request)
            if answer is None:
                return
            writer.write(json.dumps(dict(answer)).encode() + b"\n")
            await writer.drain()

    async def _unless_closed(
        self, work: Coroutine[Any, Any, _Answer], reader: asyncio.StreamReader
    ) -> _Answer | None:
        """Return the result of `work`. Cancel `work` and return None if the command disconnects."""
        task = asyncio.ensure_future(work)
        closed = asyncio.ensure_future(reader.read(1))
        await asyncio.wait({task, closed}, return_when=asyncio.FIRST_COMPLETED)
        unneeded = closed if task.done() else task
        unneeded.cancel()
        await asyncio.gather(unneeded, return_exceptions=True)
        return None if task.cancelled() else task.result()


def connected_socket(folder: Path) -> socket.socket:
    """Return a connection to the front of the endpoint in a folder.

    Raises:
        OSError: The endpoint's front is not running.
    """
    connection = socket.socket(socket.AF_UNIX)
    try:
        with _address(folder) as address:
            connection.connect(address)
    except OSError:
        connection.close()
        raise
    return connection


@contextmanager
def _address(folder: Path) -> Iterator[str]:
    """Yield a short path of the socket in a folder.

    The path of a socket can have at most 107 bytes (see unix(7)). The path of the folder may be
    longer.
    """
    handle = os.open(folder, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{handle}/{FRONT_SOCKET}"
    finally:
        os.close(handle)
