"""Make the images of the README from a real sweep.

`make images` runs this script. The package pyte, a terminal emulator, turns the output of the
command into the text and colors that a user sees. The browser Chromium, which must be installed,
draws the page of the sweep.
"""

import fcntl
import io
import os
import pty
import struct
import subprocess
import sys
import tempfile
import termios
from contextlib import suppress
from pathlib import Path

import pyte
from rich.console import Console
from rich.text import Text

IMAGES = Path(__file__).parent
COMMAND = ["mnist-exp", "stage=sweep"]
COLUMNS, LINES = 100, 300
#: Width and height of the picture of the page, in pixels.
PAGE_SIZE = (1100, 1175)


def main() -> None:
    """Run a sweep on a terminal. Save its output as SVG, and the top of its page as PNG."""
    with tempfile.TemporaryDirectory() as folder:
        screen = terminal_after(COMMAND, Path(folder))
        (page,) = Path(folder).glob("outputs/runs/*/*/report.html")
        save_picture(page, IMAGES / "report.png")
    save_svg(screen, IMAGES / "terminal.svg")


def terminal_after(command: list[str], folder: Path) -> pyte.Screen:
    """Return the screen of a terminal in which a command has ended."""
    screen = pyte.Screen(COLUMNS, LINES)
    screen.set_mode(pyte.modes.LNM)
    stream = pyte.ByteStream(screen)
    controller, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "TERM": "xterm-256color",
    }
    process = subprocess.Popen(
        command, cwd=folder, env=environment, stdin=terminal, stdout=terminal, stderr=terminal
    )
    os.close(terminal)
    with suppress(OSError):  # Linux reports the end of a terminal as an error.
        while data := os.read(controller, 65536):
            stream.feed(data)
    if process.wait() != 0:
        sys.exit(f"{' '.join(command)}: exit code {process.returncode}")
    return screen


def save_picture(page: Path, path: Path) -> None:
    """Write the top of a page as PNG."""
    size = "--window-size={},{}".format(*PAGE_SIZE)
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", size]
    profile = f"--user-data-dir={page.parent}/browser"
    command = ["chromium", *flags, profile, f"--screenshot={path}", page.as_uri()]
    subprocess.run(command, check=True, capture_output=True)


def save_svg(screen: pyte.Screen, path: Path) -> None:
    """Write the lines of a screen as SVG."""
    lines = [Text("$ " + " ".join(COMMAND), "bold"), *map(styled, range(LINES), [screen] * LINES)]
    while not lines[-1].plain.strip():
        lines.pop()
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True)
    console.print(Text("\n").join(lines))
    console.save_svg(str(path), title="mnist-exp")


def styled(row: int, screen: pyte.Screen) -> Text:
    """Return a line of a screen with its colors."""
    text = Text()
    for column in range(COLUMNS):
        cell = screen.buffer[row][column]
        text.append(cell.data, _style(cell))
    text.rstrip()
    return text


def _style(cell: pyte.screens.Char) -> str:
    color = {"default": "", "brown": "yellow"}.get(cell.fg, cell.fg)
    if color and not color.isalpha():
        color = f"#{color}"
    return f"{'bold ' if cell.bold else ''}{color}"


if __name__ == "__main__":
    main()
