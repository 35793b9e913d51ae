"""The bytes that arrive on a connection and leave on it, with time limits and back-pressure."""

import asyncio
from collections.abc import Callable
from typing import cast

from mnist_exp.serving.http_limits import READ_SIZE

#: The event loop reads into this buffer. All connections share the buffer, because the event loop
#: calls `buffer_updated` immediately after each read.
_read_buffer = memoryview(bytearray(READ_SIZE))
#: Seconds between two reads whose bytes are discarded.
_DISCARD_PAUSE_S = 0.001


class Stream(asyncio.BufferedProtocol):
    """The two directions of a TCP connection.

    If nobody waits for more bytes, the stream stores what one more read returns. Then the stream
    stops reading until somebody waits again.

    Args:
        on_open: Function that is called when the connection is open.

    Attributes:
        received: Received bytes. The reader deletes the bytes that it has handled.
    """

    def __init__(self, on_open: Callable[["Stream"], None]) -> None:
        self.received = bytearray()
        self._on_open = on_open
        self._loop = asyncio.get_running_loop()
        self._is_ended = False
        self._is_reading = True
        self._is_writable = True
        # The future of a task that waits for more bytes, and the future of a task that waits until
        # the written bytes are sent.
        self._reader: asyncio.Future[bool] | None = None
        self._writer: asyncio.Future[bool] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Call `on_open`."""
        self._transport = cast(asyncio.Transport, transport)
        self._on_open(self)

    def get_buffer(self, sizehint: int) -> memoryview:
        """Return the buffer for the next read."""
        return _read_buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Store the bytes of a read. Stop reading if nobody waits for more bytes."""
        self.received += _read_buffer[:nbytes]
        if self._reader is None or self._reader.done():
            self._transport.pause_reading()
            self._is_reading = False
        else:
            self._reader.set_result(True)

    def eof_received(self) -> bool:
        """Note that no more bytes arrive. Keep the connection open for the answer."""
        self._is_ended = True
        _wake(self._reader)
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        """Wake the task that waits."""
        self._is_ended = True
        _wake(self._reader)
        _wake(self._writer)

    def pause_writing(self) -> None:
        """Note that the write buffer is above its limit, because the client reads too slowly."""
        self._is_writable = False

    def resume_writing(self) -> None:
        """Note that the write buffer is almost empty."""
        self._is_writable = True
        _wake(self._writer)

    async def more(self, deadline: float) -> None:
        """Wait until more bytes have arrived.

        Args:
            deadline: A time of the event loop.

        Raises:
            TimeoutError: The deadline has passed.
            ConnectionError: No more bytes arrive.
        """
        if self._is_ended or self._transport.is_closing():
            raise ConnectionError
        if not self._is_reading:
            self._transport.resume_reading()
            self._is_reading = True
        before = len(self.received)
        self._reader = self._loop.create_future()
        await self._wait(self._reader, deadline)
        if len(self.received) == before:
            raise ConnectionError

    def take(self, size: int) -> bytes | bytearray:
        """Return the first `size` bytes, and delete them. `received` must contain these bytes."""
        if len(self.received) == size:
            # Do not copy the bytes. The copy of a large body would delay other connections.
            taken, self.received = self.received, bytearray()
            return taken
        with memoryview(self.received) as view:
            first = bytes(view[:size])
        del self.received[:size]
        return first

    def write(self, data: bytes) -> None:
        """Send bytes.

        Raises:
            ConnectionError: The connection is closed.
        """
        if self._transport.is_closing():
            raise ConnectionError
        self._transport.write(data)

    @property
    def unsent(self) -> int:
        """Number of bytes in the write buffer; 0 if the client reads fast enough."""
        return 0 if self._is_writable else self._transport.get_write_buffer_size()

    async def sent(self, deadline: float) -> None:
        """Wait until the write buffer is almost empty.

        Return immediately if the buffer is below its limit.

        Raises:
            TimeoutError: The deadline has passed.
            ConnectionError: The connection is closed.
        """
        while not self._is_writable:
            if self._transport.is_closing():
                raise ConnectionError
            self._writer = self._loop.create_future()
            await self._wait(self._writer, deadline)

    async def end(self, seconds: float) -> None:
        """Send all written bytes, and discard what arrives until the client closes the connection.

        If the connection were closed while the client sends, the client could lose the answer.

        Args:
            seconds: The maximum duration.
        """
        if self._transport.is_closing():
            return
        deadline = self._loop.time() + seconds
        self.received.clear()
        try:
            # Let `sent` wait for the last byte.
            self._transport.set_write_buffer_limits(0)
            await self.sent(deadline)
            if not self._transport.is_closing():
                self._transport.write_eof()
            while True:
                self.received.clear()
                await self.more(deadline)
                # Serve other connections first. The client may send without a pause.
                await asyncio.sleep(_DISCARD_PAUSE_S)
        except (TimeoutError, ConnectionError):
            self._transport.abort()

    def close(self) -> None:
        """Close the connection after all written bytes are sent."""
        self._transport.close()

    def abort(self) -> None:
        """Close the connection immediately."""
        self._transport.abort()

    async def _wait(self, event: "asyncio.Future[bool]", deadline: float) -> None:
        timer = self._loop.call_at(deadline, _set, event, False)
        try:
            # Do not set an exception as the result of the future. The traceback would contain the
            # stream and the future, so the request would stay in memory until Python collects
            # garbage.
            if not await event:
                raise TimeoutError
        finally:
            timer.cancel()


def _wake(event: "asyncio.Future[bool] | None") -> None:
    if event is not None:
        _set(event, True)


def _set(event: "asyncio.Future[bool]", has_happened: bool) -> None:
    if not event.done():
        event.set_result(has_happened)
