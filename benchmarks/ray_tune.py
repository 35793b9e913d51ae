"""Run sweeps with Ray Tune and the compiled path. Ray's actors are reused for the next trial.

Usage: `python -m benchmarks.ray_tune DATA EPOCHS FOLDER TIMES`. The trials log nothing to MLflow.
Ray writes its results to FOLDER. TIMES is the number of sweeps. The last line of stdout is the
duration of the last sweep in seconds. With TIMES 2, the workers of the last sweep have already
imported TensorFlow.
"""

import os
import sys
import time
from pathlib import Path
from typing import Any

import ray
from ray import tune

from benchmarks.contestants import SPACE, Work

_CONCURRENT = 2
_TRIALS = 8


class Trial(tune.Trainable):
    """A trial whose steps are epochs. Only the processes of the actors import TensorFlow."""

    def setup(self, config: dict[str, Any]) -> None:
        from digits.data import load  # noqa: PLC0415 - only an actor needs this import

        self._digits, self._test = load(Path(config["data"]))
        self.reset_config(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        from benchmarks.contestants import ours  # noqa: PLC0415 - only an actor needs this import

        self._epochs = int(new_config["epochs"])
        self._epoch = ours.build(Work.of_trial(self._digits, self._test, new_config))
        return True

    def step(self) -> dict[str, Any]:
        accuracy = self._epoch()
        return {"validation_acc": accuracy, "done": self.iteration + 1 >= self._epochs}

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Do nothing. Ray never calls this method here, but warns if it is missing."""

    def load_checkpoint(self, checkpoint: Any) -> None:
        """Do nothing, because there are no checkpoints."""


def main(data: Path, epochs: int, folder: Path, times: int) -> None:
    # By default, Ray listens on the network address of the machine.
    ray.init(
        num_cpus=_CONCURRENT,
        include_dashboard=False,
        _node_ip_address="127.0.0.1",
        log_to_driver=False,
        logging_level="ERROR",
    )
    try:
        seconds = [_sweep(data, epochs, folder / str(number)) for number in range(times)]
    finally:
        ray.shutdown()
    print(seconds[-1])


def _sweep(data: Path, epochs: int, folder: Path) -> float:
    space: dict[str, Any] = {key: tune.grid_search(values) for key, values in SPACE.items()}
    tuner = tune.Tuner(
        Trial,
        param_space={**space, "data": str(data), "epochs": epochs},
        tune_config=tune.TuneConfig(
            metric="validation_acc",
            mode="max",
            max_concurrent_trials=_CONCURRENT,
            reuse_actors=True,
        ),
        run_config=tune.RunConfig(storage_path=str(folder), verbose=0),
    )
    start = time.perf_counter()
    results = tuner.fit()
    seconds = time.perf_counter() - start
    if results.num_errors or len(results) != _TRIALS:
        raise SystemExit(
            f"Ray must complete {_TRIALS} trials without errors, got {len(results)} trials and"
            f" {results.num_errors} errors"
        )
    return seconds


if __name__ == "__main__":
    # By default, Ray sends usage data to its developers.
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    main(Path(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4]))
