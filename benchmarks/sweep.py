"""Sweeps: the wall time of eight fixed configurations, against rivals in turns."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.report import save, show, spread
from benchmarks.sweep_rivals import SWEEP_RIVALS


def sweep(data: Path, epochs: int, rounds: int, names: Sequence[str]) -> None:
    """Measures the wall time of eight trials, contestants in turns.

    Args:
        data: A folder with MNIST's files.
        epochs: Of each trial.
        rounds: How often each contestant runs.
        names: Of the contestants.
    """
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for _ in range(rounds):
        for name in names:
            with tempfile.TemporaryDirectory() as folder:
                seconds[name].append(SWEEP_RIVALS[name](data, epochs, Path(folder)))
    spreads = {name: spread(values) for name, values in seconds.items()}
    ours = spreads["ours"].median if "ours" in spreads else None
    show(
        f"Sweep of 8 fixed configurations x {epochs} epochs, {rounds} rounds",
        ["", "s (spread)", "of ours"],
        [
            [name, str(found), f"{found.median / ours:.2f}" if ours else "-"]
            for name, found in spreads.items()
        ],
    )
    print(f"written: {save('sweep', {'epochs': epochs, 'seconds': seconds})}")
