"""Optuna's own way to run trials at once, in threads of one process, over our fast training.

`python -m benchmarks.optuna_threads DATA EPOCHS`; nothing is tracked.
"""

import sys
from pathlib import Path

import optuna

from benchmarks.contestants import Work, ours
from benchmarks.sweep import SPACE
from data import load


def main(data: Path, epochs: int) -> None:
    digits, test = load(data)

    def objective(trial: optuna.Trial) -> float:
        drawn = {key: trial.suggest_categorical(key, values) for key, values in SPACE.items()}
        work = Work(
            digits.images,
            digits.labels,
            test.images,
            test.labels,
            int(drawn["batch_size"]),
            42,
            (int(drawn["first_layer_neurons"]), 128),
            float(drawn["learning_rate"]),
        )
        epoch = ours.build(work)
        return [epoch() for _ in range(epochs)][-1]

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(
        direction="maximize", sampler=optuna.samplers.GridSampler(SPACE, seed=0)
    )
    study.optimize(objective, n_trials=8, n_jobs=2)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
