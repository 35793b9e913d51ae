"""A benchmark of a multirun with six variants, compared with a sweep and with an older version."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks.our_sweep import ROOT, prepare_store
from benchmarks.report import save, show, spread

_VARIANTS = (
    "-m",
    "stage=train",
    "model.first_layer_neurons=64,256,512",
    "model.batch_size=32,64",
)
#: A sweep whose six trials have the same configurations as the six variants. A grid cannot couple
#: the sizes of two layers, as `model=small,tutorial,wide` does. Therefore only the first layer
#: differs.
_SWEEP = (
    "stage=sweep",
    "sweep=grid",
    "sweep.search_space.batch_size={type: choice, values: [32, 64]}",
    "sweep.search_space.learning_rate={type: choice, values: [0.01]}",
    "+sweep.search_space.first_layer_neurons={type: choice, values: [64, 256, 512]}",
    "sweep.limits.max_total_trials=6",
)


def variants(data: Path, epochs: int, rounds: int, before: str | None) -> None:
    """Measure the wall time of each command, and print and save the results.

    In each round, every command runs once.

    Args:
        data: A folder with MNIST's files.
        epochs: Number of epochs of a variant.
        rounds: Number of runs of each command.
        before: The git revision of the older version; None measures only this version.
    """
    with _checkout(before) as older:
        commands: dict[str, tuple[Path, Sequence[str]]] = {
            "variants": (ROOT, _VARIANTS),
            "sweep": (ROOT, _SWEEP),
        }
        if older is not None:
            commands[f"variants of {before}"] = (older, _VARIANTS)
        seconds: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(rounds):
            for name, (root, words) in commands.items():
                seconds[name].append(_wall_time(root, words, data, epochs))
    _report(seconds, epochs, rounds)


def _report(seconds: Mapping[str, list[float]], epochs: int, rounds: int) -> None:
    spreads = {name: spread(values) for name, values in seconds.items()}
    base = spreads["variants"].median
    show(
        f"Six variants x {epochs} epochs, {rounds} rounds",
        ["", "s (spread)", "relative to the variants"],
        [[name, str(found), f"{found.median / base:.2f}"] for name, found in spreads.items()],
    )
    print(f"written: {save('variants', {'epochs': epochs, 'seconds': seconds})}")


@contextmanager
def _checkout(revision: str | None) -> Iterator[Path | None]:
    """Check out a git revision into a temporary folder."""
    if revision is None:
        yield None
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name, "checkout")
        git = ["git", "-C", str(ROOT), "worktree"]
        add = [*git, "add", "--detach", str(folder), revision]
        subprocess.run(add, check=True, capture_output=True)
        try:
            yield folder
        finally:
            subprocess.run([*git, "remove", "--force", str(folder)], check=True)


def _wall_time(root: Path, words: Sequence[str], data: Path, epochs: int) -> float:
    with tempfile.TemporaryDirectory() as folder:
        prepare_store(Path(folder, "outputs"))
        inputs = ["data=folder", f"data.path={data}", f"model.epochs={epochs}"]
        command = [sys.executable, "-m", "mnist_exp", *words, *inputs]
        start = time.perf_counter()
        subprocess.run(
            command,
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(root)},
            check=True,
            capture_output=True,
        )
        return time.perf_counter() - start
