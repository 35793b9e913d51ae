"""Benchmarks of training the same network: the speed of epochs, and the accuracy for seeds."""

import json
import random
import statistics
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.contestants import CONTESTANTS
from benchmarks.report import save, show, spread
from benchmarks.rivals import Rival, installed
from digits.data import load

_ROOT = Path(__file__).parents[1]
_BASE = "eager"
#: Minimum seconds of a turn. While a contestant waits, other contestants fill the caches. Therefore
#: the first third of a second of a turn is about 10 % slower. If a turn were only one epoch, this
#: would affect fast contestants more than slow contestants.
_TURN_SECONDS = 2.0
#: Number of weights of the network 784-256-128-10, without biases.
_WEIGHTS = 784 * 256 + 256 * 128 + 128 * 10
#: Number of multiplications and additions for one image, in a forward pass and in a training step.
#: A training step needs no gradient of the first layer's input.
_FORWARD = 2 * _WEIGHTS
_TRAINING = 3 * _FORWARD - 2 * 784 * 256
_ACCURACY_NAMES = ("ours", "general", "eager")
_ACCURACY_BATCH_SIZE = 64


@dataclass(frozen=True)
class Race:
    """The settings of the training benchmark.

    Attributes:
        data: A folder with MNIST's files.
        rounds: Number of turns of each contestant. Before the first turn, each contestant trains
            one epoch that is not measured, because this epoch includes compilation.
        names: The contestants. Contestants whose package is not installed are omitted.
    """

    data: Path
    rounds: int
    names: tuple[str, ...]


def training(race: Race, batch_sizes: Sequence[int]) -> None:
    """Measure images/s. Print a table for each batch size, and write one JSON file.

    In an epoch, a contestant trains with all training images and validates with all test images.
    """
    digits, test = load(race.data)
    flops = _TRAINING * len(digits) + _FORWARD * len(test)
    peaks = [_peak()]
    results = {}
    for batch_size in batch_sizes:
        seconds, accuracies = _race(race, batch_size)
        results[str(batch_size)] = {
            name: {
                "label": CONTESTANTS[name].label,
                "seconds": values,
                "spread": spread(values),
                "images_per_second": len(digits) / spread(values).median,
                "accuracy": accuracies[name],
            }
            for name, values in seconds.items()
        }
    peaks.append(_peak())
    peak = {shape: max(found[shape] for found in peaks) for shape in peaks[0]}
    for size, rows in results.items():
        _show(race, size, rows, flops, peak["large"])
    print(f"sgemm, GFLOP/s: {peak['large']:.0f} large, {peak['batch_64']:.0f} at batch 64")
    path = save("training", {"batch_sizes": results, "sgemm_gflops": peak, "epoch_flops": flops})
    print(f"written: {path}")


def accuracy(data: Path, epochs: int, seeds: Sequence[int]) -> None:
    """Train each contestant once for each seed. Print and save the test accuracies.

    Args:
        data: A folder with MNIST's files.
        epochs: Number of epochs for each seed.
        seeds: The seeds of the initial weights and of the order of the images.
    """
    names = installed(_ACCURACY_NAMES)
    found = {name: [_accuracy(name, data, epochs, seed) for seed in seeds] for name in names}
    show(
        f"Test accuracy after {epochs} epochs at batch {_ACCURACY_BATCH_SIZE}, {len(seeds)} seeds",
        ["", "mean", "standard deviation", "lowest", "highest"],
        [
            [
                CONTESTANTS[name].label,
                f"{statistics.mean(values):.4f}",
                f"{statistics.stdev(values):.4f}",
                f"{min(values):.4f}",
                f"{max(values):.4f}",
            ]
            for name, values in found.items()
        ],
    )
    path = save("accuracy", {"epochs": epochs, "seeds": list(seeds), "test_acc": found})
    print(f"written: {path}")


def _race(race: Race, batch_size: int) -> tuple[dict[str, list[float]], dict[str, float]]:
    names = installed(race.names)
    order = random.Random(0)
    seconds: dict[str, list[float]] = {name: [] for name in names}
    accuracies: dict[str, list[float]] = {name: [] for name in names}
    with ExitStack() as stack:
        rivals = [stack.enter_context(Rival(name, race.data, batch_size)) for name in names]
        for rival in rivals:
            accuracies[rival.name].append(rival.epoch()[1])
        for _ in range(race.rounds):
            for rival in order.sample(rivals, len(rivals)):
                turn = _turn(rival)
                seconds[rival.name].append(statistics.mean(took for took, _ in turn))
                accuracies[rival.name] += [accuracy for _, accuracy in turn]
    # Compare the accuracies after `race.rounds` + 1 epochs. Each contestant has trained at least
    # this number of epochs.
    return seconds, {name: found[race.rounds] for name, found in accuracies.items()}


def _turn(rival: Rival) -> list[tuple[float, float]]:
    """Train epochs until the turn is over. Return the seconds and the accuracy of each epoch."""
    epochs: list[tuple[float, float]] = []
    while sum(took for took, _ in epochs) < _TURN_SECONDS:
        epochs.append(rival.epoch())
    return epochs


def _show(
    race: Race, batch_size: str, rows: dict[str, dict[str, Any]], flops: float, peak: float
) -> None:
    base = rows.get(_BASE)
    learned = f"accuracy after {race.rounds + 1}"
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
        f"Training at batch {batch_size}, {race.rounds} turns of each",
        ["", "s/epoch (spread)", "images/s", "x eager", "of sgemm peak", learned],
        cells,
    )


def _peak() -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.peak"]
    output = subprocess.run(command, cwd=_ROOT, capture_output=True, check=True, text=True).stdout
    found: dict[str, float] = json.loads(output.splitlines()[-1])
    return found


def _accuracy(name: str, data: Path, epochs: int, seed: int) -> float:
    with Rival(name, data, _ACCURACY_BATCH_SIZE, seed) as rival:
        return [rival.epoch()[1] for _ in range(epochs)][-1]
