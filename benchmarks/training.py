"""Epochs of the same network by different means, one after another in turns."""

import json
import random
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks.contestants import CONTESTANTS
from benchmarks.report import save, show, spread
from benchmarks.rivals import Rival, installed

__all__ = ["training"]

_ROOT = Path(__file__).parents[1]
_BASE = "eager"
# Multiplications and additions for one image of the network 784-256-128-10.
_WEIGHTS = 784 * 256 + 256 * 128 + 128 * 10
_FORWARD = 2 * _WEIGHTS
_TRAINING = 3 * _FORWARD - 2 * 784 * 256  # the first layer passes no error on


def training(
    data: Path,
    images: int,
    validation_images: int,
    batch_sizes: Sequence[int],
    rounds: int,
    names: Sequence[str],
) -> None:
    """Measures images/s; prints a table for each batch size and writes one JSON file.

    Args:
        data: A folder with MNIST's files.
        images: How many images an epoch trains with,
        validation_images: and how many it validates with.
        batch_sizes: To be measured one after another.
        rounds: How many epochs of each contestant count; one more goes before, for compilers.
        names: The contestants; those not installed are left out.
    """
    present = installed(tuple(names))
    peaks = [_peak()]
    results = {}
    for batch_size in batch_sizes:
        seconds, accuracies = _race(present, data, batch_size, rounds)
        results[str(batch_size)] = {
            name: {
                "label": CONTESTANTS[name].label,
                "seconds": seconds[name],
                "spread": spread(seconds[name]),
                "images_per_second": images / spread(seconds[name]).median,
                "accuracy": accuracies[name],
            }
            for name in present
        }
    peaks.append(_peak())
    peak = {shape: max(found[shape] for found in peaks) for shape in peaks[0]}
    flops = _TRAINING * images + _FORWARD * validation_images
    for batch_size, rows in results.items():
        _show(batch_size, rows, flops, peak["large"], rounds)
    print(f"sgemm, GFLOP/s: {peak['large']:.0f} large, {peak['batch_64']:.0f} at batch 64")
    path = save("training", {"batch_sizes": results, "sgemm_gflops": peak, "epoch_flops": flops})
    print(f"written: {path}")


def _race(
    names: Sequence[str], data: Path, batch_size: int, rounds: int
) -> tuple[dict[str, list[float]], dict[str, float]]:
    turns = random.Random(0)
    seconds: dict[str, list[float]] = {name: [] for name in names}
    accuracies = {}
    with ExitStack() as stack:
        rivals = [stack.enter_context(Rival(name, data, batch_size)) for name in names]
        for rival in rivals:
            rival.epoch()
        for _ in range(rounds):
            for rival in turns.sample(rivals, len(rivals)):
                took, accuracies[rival.name] = rival.epoch()
                seconds[rival.name].append(took)
    return seconds, accuracies


def _show(
    batch_size: str, rows: dict[str, dict[str, Any]], flops: float, peak: float, rounds: int
) -> None:
    base = rows.get(_BASE)
    cells = []
    for row in rows.values():
        median = row["spread"].median
        ratio = f"{base['spread'].median / median:.1f}" if base else "-"
        share = f"{flops / median / 1e9 / peak:.0%}"
        rate = f"{row['images_per_second']:,.0f}"
        cells.append(
            [row["label"], str(row["spread"]), rate, ratio, share, f"{row['accuracy']:.4f}"]
        )
    show(
        f"Training at batch {batch_size}, {rounds} rounds",
        ["", "s/epoch (spread)", "images/s", "x eager", "of sgemm peak", "accuracy"],
        cells,
    )


def _peak() -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.peak"]
    output = subprocess.run(command, cwd=_ROOT, capture_output=True, check=True, text=True).stdout
    found: dict[str, float] = json.loads(output.splitlines()[-1])
    return found
