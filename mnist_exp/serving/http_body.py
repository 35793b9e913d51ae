"""The body of an HTTP request, with a known length or in chunks."""

import asyncio
import re
from collections.abc import Callable

from mnist_exp.serving.http_answer import RefusalError
from mnist_exp.serving.http_head import HttpHead
from mnist_exp.serving.http_limits import CHUNK_OVERHEAD_LIMIT, PAYLOAD_LIMIT
from mnist_exp.serving.http_stream import Stream

_LINE_END = b"\r\n"
#: Size of a chunk in hexadecimal, and chunk extensions (RFC 9112, section 7.1).
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,16})(?:[ \t]*;[^\r\n]*)?")
_TRAILER = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+:[^\r\n\0]*")
#: Number of bytes of a chunk's first line that do not count as overhead.
_FREE_OVERHEAD = 16
#: Number of chunks after which other connections get a turn.
_CHUNKS_PER_TURN = 32


class Body:
    """The body of one request.

    Args:
        stream: The connection. The bytes of the head are deleted.
        head: The request's head.
        count: Function that is called when the body needs more memory, or less. Argument: the
            change of the number of bytes.

    The body's memory counts until all functions that `hold` returned, and `release`, are called.

    Attributes:
        is_read: Whether the whole body has been received.
    """

    def __init__(self, stream: Stream, head: HttpHead, count: Callable[[int], None]) -> None:
        self._stream = stream
        self._length = head.length
        self._expects_continue = head.expects_continue
        self._count = count
        self._size = 0
        self._holders = 1
        self._overhead = 0
        self.is_read = head.length == 0

    async def read(self, deadline: float) -> bytes | bytearray:
        """Return the body.

        Args:
            deadline: A time of the event loop.

        Raises:
            RefusalError: The body is too large or invalid.
            TimeoutError: The deadline has passed.
            ConnectionError: The client has disconnected.
        """
        body: bytes | bytearray
        if self._length is None:
            body = await self._chunks(deadline)
        elif self._length > PAYLOAD_LIMIT:
            raise _too_large()
        else:
            body = await self._bytes(self._length, deadline)
        self._resize(len(body))
        self.is_read = True
        return body

    def hold(self) -> Callable[[], None]:
        """Count the body's memory at least until the returned function is called."""
        self._holders += 1
        return self.release

    def release(self) -> None:
        """Stop counting the body's memory if this call is the last release."""
        self._holders -= 1
        if not self._holders:
            self._resize(0)

    def _resize(self, size: int) -> None:
        change, self._size = size - self._size, size
        self._count(change)

    def skip(self) -> bool:
        """Discard the body if all of it has arrived. Return whether the whole body has arrived."""
        received = self._stream.received
        if not self.is_read and self._length is not None and len(received) >= self._length:
            del received[: self._length]
            self.is_read = True
        return self.is_read

    async def _bytes(self, size: int, deadline: float) -> bytes | bytearray:
        while len(self._stream.received) < size:
            await self._more(deadline)
            self._resize(min(size, len(self._stream.received)))
        return self._stream.take(size)

    async def _chunks(self, deadline: float) -> bytearray:
        body, count = bytearray(), 0
        while size := await self._chunk_size(deadline):
            if len(body) + size > PAYLOAD_LIMIT:
                raise _too_large()
            await self._append(body, size, deadline)
            if await self._line(0, deadline):
                raise _invalid_chunk()
            count += 1
            if count % _CHUNKS_PER_TURN == 0:
                await asyncio.sleep(0)
        while trailer := await self._line(CHUNK_OVERHEAD_LIMIT, deadline):
            self._add_overhead(len(trailer) + len(_LINE_END))
            if not _TRAILER.fullmatch(trailer):
                raise RefusalError(400, "the request is invalid: a trailer is not a header")
        return body

    async def _chunk_size(self, deadline: float) -> int:
        line = await self._line(CHUNK_OVERHEAD_LIMIT, deadline)
        found = _CHUNK.fullmatch(line)
        if found is None:
            raise _invalid_chunk()
        self._add_overhead(max(0, len(line) - _FREE_OVERHEAD))
        return int(found[1], 16)

    async def _append(self, body: bytearray, size: int, deadline: float) -> None:
        """Append the data of a chunk to the body."""
        received = self._stream.received
        while size:
            if not received:
                await self._more(deadline)
            part = received[:size]
            body += part
            del received[: len(part)]
            size -= len(part)
            self._resize(len(body))

    async def _line(self, limit: int, deadline: float) -> bytes:
        """Return the next line, without its line break.

        Args:
            limit: Maximum number of bytes in the line.
            deadline: A time of the event loop.
        """
        received = self._stream.received
        longest = limit + len(_LINE_END)
        while (end := received.find(b"\n", 0, longest)) < 0:
            if len(received) >= longest:
                raise _too_much_overhead() if limit else _invalid_chunk()
            await self._more(deadline)
        line = bytes(received[: end + 1])
        del received[: len(line)]
        if not line.endswith(_LINE_END):
            raise _invalid_chunk()
        return line.removesuffix(_LINE_END)

    def _add_overhead(self, size: int) -> None:
        self._overhead += size
        if self._overhead > CHUNK_OVERHEAD_LIMIT:
            raise _too_much_overhead()

    async def _more(self, deadline: float) -> None:
        if self._expects_continue:
            self._expects_continue = False
            self._stream.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        await self._stream.more(deadline)


def _too_large() -> RefusalError:
    return RefusalError(413, f"the body must be at most {PAYLOAD_LIMIT} bytes")


def _invalid_chunk() -> RefusalError:
    return RefusalError(400, "the request is invalid: the size of a chunk is wrong")


def _too_much_overhead() -> RefusalError:
    return RefusalError(
        400,
        "the request is invalid: its trailers and chunk extensions must be at most "
        f"{CHUNK_OVERHEAD_LIMIT} bytes",
    )
