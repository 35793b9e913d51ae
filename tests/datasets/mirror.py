"""A web server on loopback that serves files, or fails to."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Mirror:
    """A web server with its files, its faults and the requested paths."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self.files = dict(files)
        self.cut_short: set[str] = set()
        self.silent = threading.Event()
        self.asked: list[str] = []
        self.released = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/mnist/"

    def close(self) -> None:
        self.released.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        mirror = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                mirror.asked.append(self.path)
                name = self.path.partition("?")[0].removeprefix("/mnist/")
                if mirror.silent.is_set():
                    mirror.released.wait()
                elif name not in mirror.files:
                    self.send_error(404)
                else:
                    self._send(name, mirror.files[name])

            def _send(self, name: str, body: bytes) -> None:
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body[: len(body) // 2] if name in mirror.cut_short else body)

            def log_message(self, format: str, *args: object) -> None:
                pass

        return Handler
