"""Contestants in separate processes. In one process, contestants would slow each other down."""

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from benchmarks.contestants import CONTESTANTS

_ROOT = Path(__file__).parents[1]


def installed(names: tuple[str, ...]) -> list[str]:
    """Return the contestants whose package is installed."""
    return [name for name in names if find_spec(CONTESTANTS[name].needs)]


class Rival:
    """The process of a contestant. The process trains only during a call of `epoch`.

    Args:
        name: The key of the contestant in `CONTESTANTS`.
        data: A folder with MNIST's files.
        batch_size: Number of images in a step.
        seed: The seed of the initial weights and of the order of the images.
    """

    def __init__(self, name: str, data: Path, batch_size: int, seed: int = 42) -> None:
        self.name = name
        command = [sys.executable, "-m", "benchmarks.worker", name, "--data", str(data)]
        command += ["--batch-size", str(batch_size), "--seed", str(seed)]
        self._process = subprocess.Popen(
            command,
            cwd=_ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def __enter__(self) -> Self:
        self.versions: dict[str, str] = self._answer()["versions"]
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.communicate()

    def epoch(self) -> tuple[float, float]:
        """Train one epoch and validate. Return the seconds and the validation accuracy."""
        assert self._process.stdin
        self._process.stdin.write("epoch\n")
        self._process.stdin.flush()
        answer = self._answer()
        return answer["seconds"], answer["accuracy"]

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            code = self._process.wait()
            raise RuntimeError(f"the process of contestant {self.name} ended with exit code {code}")
        answer: dict[str, Any] = json.loads(line)
        return answer
