"""Our endpoint's application and worker in one process, without sockets."""

import asyncio
import http.client
import io
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue
from typing import cast

import pytest

from mnist_exp.serving.app import Application
from mnist_exp.serving.connection import WorkerLostError
from mnist_exp.serving.exchange import Exchange
from mnist_exp.serving.frames import Reply, Request
from mnist_exp.serving.http_answer import RefusalError
from mnist_exp.serving.http_body import Body
from mnist_exp.serving.http_head import HeadParser, HttpHead
from mnist_exp.serving.script import ScoringScript
from mnist_exp.serving.settings import Settings
from mnist_exp.serving.worker_pool import WorkerPool
from mnist_exp.serving.worker_process import answer as worker_answer
from tests.parity.answers import Answer, answer, target
from tests.parity.cases import Case
from tests.parity.scripts import Script

#: Modules that a worker imports only for some scripts.
_OF_SCRIPTS = ("azureml", "inference_schema", "mnist_exp.serving.aml_api")

JSON = ("content-type", "application/json")
_RequestAndReply = tuple[Request, "Future[Reply]"]


class _Pool:
    """A pool that passes its requests to the main thread."""

    def __init__(self, script: ScoringScript, variables: dict[str, str]) -> None:
        deployment = {"name": "blue", "request_settings": {"request_timeout_ms": 60_000}}
        self.settings = Settings(deployment, variables)
        self._run = script.run
        self.wants_heads = self._run.needs_head
        self._requests: SimpleQueue[_RequestAndReply | None] = SimpleQueue()

    async def score(
        self, request: Request, timeout_s: float, hold: Callable[[], Callable[[], None]]
    ) -> Reply:
        reply: Future[Reply] = Future()
        self._requests.put((request, reply))
        return await asyncio.wrap_future(reply)

    def serve_until(self, done: "Future[None]") -> None:
        """Answer requests, as a worker does, until `done` has a result."""
        done.add_done_callback(lambda _: self._requests.put(None))
        while (waiting := self._requests.get()) is not None:
            request, reply = waiting
            try:
                reply.set_result(
                    worker_answer(self._run, self.settings.scoring_timeout_ms, request)
                )
            except BaseException:
                reply.set_exception(WorkerLostError())


class _Endpoint:
    name = "parity"

    def __init__(self, pool: _Pool) -> None:
        self._pool = pool

    def grants_access(self, authorization: bytes) -> bool:
        return True

    def chosen(self) -> str | None:
        return "blue"

    def mirror(self) -> str | None:
        return None

    def worker_pool(self, deployment: str) -> WorkerPool | None:
        return cast(WorkerPool, self._pool)

    def failed(self) -> list[str]:
        return []

    def count(self, deployment: str, is_success: bool, seconds: float) -> None:
        pass


class InProcess:
    """An endpoint whose front runs in a thread, and whose worker runs in the main thread."""

    def __init__(self, script: ScoringScript, variables: dict[str, str]) -> None:
        self._pool = _Pool(script, variables)
        self._application = Application(_Endpoint(self._pool))

    def answer(self, case: Case) -> Answer:
        """Return the endpoint's answer to a case."""
        try:
            head = _head(case)
        except RefusalError as error:
            return Answer(error.status, (JSON,), error.body)
        exchange = Exchange(head, cast(Body, _Body(case.body)), lambda: None)
        with ThreadPoolExecutor(1) as front:
            done = front.submit(lambda: asyncio.run(self._application(exchange)))
            self._pool.serve_until(done)
        done.result()
        received = _Received(exchange.packed_answer(is_kept=True))
        response = http.client.HTTPResponse(cast(socket.socket, received), method=case.method)
        response.begin()
        return answer(response.status, response.getheaders(), response.read())


class _Body:
    """A body that has been received completely."""

    is_read = True

    def __init__(self, content: bytes) -> None:
        self._content = content

    async def read(self, deadline: float) -> bytes:
        return self._content

    def hold(self) -> Callable[[], None]:
        return lambda: None


class _Received:
    """The bytes of an answer, in the place of a socket."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def makefile(self, mode: str) -> io.BytesIO:
        return io.BytesIO(self._content)


def _head(case: Case) -> HttpHead:
    headers = {"Host": "127.0.0.1", **case.headers, "Content-Length": str(len(case.body))}
    lines = [f"{name}: {value}\r\n" for name, value in headers.items()]
    first = f"{case.method} {target(case)} HTTP/1.1\r\n"
    head = HeadParser().parse(bytearray((first + "".join(lines) + "\r\n").encode("latin-1")))
    assert head is not None
    return head


@contextmanager
def in_process(script: Script, folder: Path) -> Iterator[InProcess]:
    """Load a script, and yield an endpoint that answers with the script."""
    (folder / "score.py").write_text(script.source, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch, _restored_signals():
        patch.setattr(sys, "path", [*sys.path])
        # Another test may have imported Flask, which a worker imports only for some scripts.
        patch.delitem(sys.modules, "flask", raising=False)
        for name in [name for name in sys.modules if name.startswith(_OF_SCRIPTS)]:
            patch.delitem(sys.modules, name)
        # A new policy has the state of a new process: the main thread may get an event loop.
        asyncio.set_event_loop_policy(None)
        scoring = ScoringScript(folder, "score.py")
        scoring.load()()
        yield InProcess(scoring, dict(script.variables))
        for name in [name for name in sys.modules if name.startswith(_OF_SCRIPTS)]:
            del sys.modules[name]


@contextmanager
def _restored_signals() -> Iterator[None]:
    numbers = (signal.SIGALRM, signal.SIGUSR1, signal.SIGUSR2)
    before = {number: signal.getsignal(number) for number in numbers}
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    for number, handler in before.items():
        signal.signal(number, handler)
