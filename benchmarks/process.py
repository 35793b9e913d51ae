"""A benchmark of a whole run: imports, training, metrics, checkpoints and export."""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.report import save, show, spread

_ROOT = Path(__file__).parents[1]
_BATCH_SIZE = 64


def process(data: Path, epochs: int, rounds: int) -> None:
    """Measure the wall time of train.py and of the eager script, and print and save the results.

    Args:
        data: A folder with MNIST's files.
        epochs: Number of epochs of a run.
        rounds: Number of runs of each script. Each run has an empty folder.
    """
    commands = {
        "trainer": [
            str(_ROOT / "trainer" / "train.py"),
            *("--data-folder", str(data), "--epochs", str(epochs)),
            *("--batch-size", str(_BATCH_SIZE), "--checkpoints", "checkpoints"),
        ],
        "eager script": [
            *("-m", "benchmarks.eager_script", str(data), str(epochs), str(_BATCH_SIZE))
        ],
    }
    seconds: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(rounds):
        for name, command in commands.items():
            seconds[name].append(_wall_time(command))
    spreads = {name: spread(values) for name, values in seconds.items()}
    base = spreads["eager script"].median
    show(
        f"Whole process, {epochs} epochs at batch {_BATCH_SIZE}, {rounds} rounds",
        ["", "s (spread)", "relative to the eager script"],
        [[name, str(found), f"{found.median / base:.2f}"] for name, found in spreads.items()],
    )
    path = save("process", {"epochs": epochs, "seconds": seconds, "spread": spreads})
    print(f"written: {path}")


def _wall_time(command: list[str]) -> float:
    environment = {**os.environ, "PYTHONPATH": str(_ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        subprocess.run(
            [sys.executable, *command],
            cwd=folder,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=True,
        )
        return time.perf_counter() - start
