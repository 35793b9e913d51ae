"""Whether what is fast also learns: test accuracy after a few epochs, over several seeds."""

import statistics
from collections.abc import Sequence
from pathlib import Path

from benchmarks.contestants import CONTESTANTS
from benchmarks.report import save, show
from benchmarks.rivals import Rival, installed

_NAMES = ("ours", "general", "eager")
_BATCH_SIZE = 64


def accuracy(data: Path, epochs: int, seeds: Sequence[int]) -> None:
    """Trains each contestant once for each seed; prints means and deviations.

    Args:
        data: A folder with MNIST's files.
        epochs: How long each is trained.
        seeds: Decide initial weights and order of the images.
    """
    found = {name: [_train(name, data, epochs, seed) for seed in seeds] for name in _present()}
    show(
        f"Test accuracy after {epochs} epochs at batch {_BATCH_SIZE}, {len(seeds)} seeds",
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


def _present() -> list[str]:
    return installed(_NAMES)


def _train(name: str, data: Path, epochs: int, seed: int) -> float:
    with Rival(name, data, _BATCH_SIZE, seed) as rival:
        return [rival.epoch()[1] for _ in range(epochs)][-1]
