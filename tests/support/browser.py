"""A page in headless Chromium, which a test drives by the DevTools protocol over two pipes.

https://chromedevtools.github.io/devtools-protocol
"""

import base64
import itertools
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.support.waiting import eventually

#: Mark for tests that need Chromium.
needs_chromium = pytest.mark.skipif(
    shutil.which("chromium") is None, reason="needs Debian's package chromium"
)


class Browser:
    """One page in a browser. The browser ends with the `with` block.

    Args:
        folder: An empty folder for the profile of the browser.
    """

    def __init__(self, folder: Path) -> None:
        flags = ("--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe")
        command_end, self._commands = os.pipe()
        self._answers, answer_end = os.pipe()
        # Chromium reads commands from descriptor 3, and writes answers to descriptor 4. `dup` makes
        # room for these two numbers.
        ends = [os.dup(command_end), os.dup(answer_end)]
        shell = f'exec chromium "$@" 3<&{ends[0]} 4>&{ends[1]}'
        words = ["bash", "-c", shell, "chromium", *flags, f"--user-data-dir={folder}"]
        self._process = subprocess.Popen(
            words, pass_fds=ends, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        for end in (*ends, command_end, answer_end):
            os.close(end)
        self._numbers = itertools.count(1)
        self._buffer = b""
        self._session: str | None = None
        #: The messages of the page's console, and its uncaught errors.
        self.messages: list[str] = []
        target = self._send("Target.createTarget", url="about:blank")["targetId"]
        attached = self._send("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self._send(f"{domain}.enable")

    def __enter__(self) -> "Browser":
        return self

    def __exit__(self, *_: object) -> None:
        self._session = None
        self._send("Browser.close")
        self._process.wait()
        os.close(self._commands)
        os.close(self._answers)

    def open(self, address: str) -> None:
        """Open a page, and wait until it has loaded."""
        self._send("Page.navigate", url=address)
        eventually(lambda: self.run("document.readyState") == "complete")

    def run(self, script: str) -> Any:
        """Return the value of a JavaScript expression."""
        found = self._send(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def drag(self, *points: tuple[float, float]) -> None:
        """Press the mouse button at the first point, and move the mouse to the other points."""
        for number, (x, y) in enumerate(points):
            kind = "mouseMoved" if number else "mousePressed"
            self._mouse(kind, x, y)
        self._mouse("mouseReleased", *points[-1])

    def screenshot(self, path: Path, width: int, height: int, *, dark: bool = False) -> None:
        """Save a picture of the page."""
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._send("Emulation.setEmulatedMedia", features=[scheme])
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self._send("Emulation.setDeviceMetricsOverride", **size)
        path.write_bytes(base64.b64decode(self._send("Page.captureScreenshot")["data"]))

    def _mouse(self, kind: str, x: float, y: float) -> None:
        button = {"button": "left", "buttons": 1, "clickCount": 1}
        self._send("Input.dispatchMouseEvent", type=kind, x=x, y=y, **button)

    def _send(self, method: str, **parameters: object) -> dict[str, Any]:
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._commands, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._receive()
            if answer.get("id") == number:
                assert "error" not in answer, answer["error"]
                return dict(answer["result"])
            self._note(answer)

    def _receive(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            read = os.read(self._answers, 2**16)
            assert read, "the browser has ended"
            self._buffer += read
        text, _, self._buffer = self._buffer.partition(b"\0")
        return dict(json.loads(text))

    def _note(self, event: dict[str, Any]) -> None:
        if event.get("method") in (
            "Runtime.consoleAPICalled",
            "Runtime.exceptionThrown",
            "Log.entryAdded",
        ):
            self.messages.append(json.dumps(event["params"]))
