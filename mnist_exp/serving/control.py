"""What commands ask of an endpoint's front, over a socket in the endpoint's folder.

A line of JSON each way. A revision that was prepared over a connection is given up when that
connection closes before the record names it: a command that is killed leaves nothing behind.

| verb | |
|---|---|
| prepare | start a revision beside the running one; answers when it is ready, or why it is not |
| apply | read all files again: keys, traffic, who serves; answers when that is so |
| report | workers, restarts and statistics of each deployment |
"""

import asyncio
import json
import logging
import os
import socket
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mnist_exp.serving.files import FRONT_SOCKET

_logger = logging.getLogger(__name__)

_Answer = Mapping[str, Any]
_Handler = Callable[[Mapping[str, Any]], Coroutine[Any, Any, _Answer]]


class Control:
    """The front's end of the socket.

    Args:
        folder: The endpoint's folder.
        handle: Answers a request.
        settle: Gives up what was prepared and is not wanted, by deployment.
    """

    def __init__(
        self, folder: Path, handle: _Handler, settle: Callable[[str], Awaitable[None]]
    ) -> None:
        self._folder = folder
        self._handle = handle
        self._settle = settle
        self._server: asyncio.Server | None = None

    async def open(self) -> None:
        """Listen."""
        (self._folder / FRONT_SOCKET).unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX)
        with _address(self._folder) as address:
            listener.bind(address)
        (self._folder / FRONT_SOCKET).chmod(0o600)
        self._server = await asyncio.start_unix_server(self._converse, sock=listener)

    def close(self) -> None:
        """Take no more wishes."""
        if self._server is not None:
            self._server.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        prepared: set[str] = set()
        try:
            await self._take_wishes(reader, writer, prepared)
        except ConnectionError:
            pass
        finally:
            for deployment in prepared:
                await self._settle(deployment)
            writer.close()

    async def _take_wishes(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, prepared: set[str]
    ) -> None:
        while line := await reader.readline():
            wish = json.loads(line)
            if wish["verb"] == "prepare":
                prepared.add(wish["deployment"])
                answer = await self._unless_gone(self._handle(wish), reader)
            else:
                answer = await self._handle(wish)
            if answer is None:
                return
            writer.write(json.dumps(dict(answer)).encode() + b"\n")
            await writer.drain()

    async def _unless_gone(
        self, work: Coroutine[Any, Any, _Answer], reader: asyncio.StreamReader
    ) -> _Answer | None:
        """Give work up when the command goes that waits for it; it is None then."""
        task = asyncio.ensure_future(work)
        gone = asyncio.ensure_future(reader.read(1))
        await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
        unneeded = gone if task.done() else task
        unneeded.cancel()
        await asyncio.gather(unneeded, return_exceptions=True)
        return None if task.cancelled() else task.result()


def connected_socket(folder: Path) -> socket.socket:
    """Return a connection to the front of the endpoint in a folder; OSError if there is none."""
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
    """Yield a short name of the socket: that of a path may have 107 bytes at most (unix(7))."""
    handle = os.open(folder, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{handle}/{FRONT_SOCKET}"
    finally:
        os.close(handle)
