"""Run the trials of a sweep with Optuna, in two threads of one process, with the compiled path.

Usage: `python -m benchmarks.optuna_threads DATA EPOCHS [FOLDER]`. FOLDER must contain an MLflow
store. Each trial then logs its epochs and saves a model, like our trials. Without FOLDER, the
trials log and save nothing.
"""

import sys
from pathlib import Path

import optuna

from benchmarks.contestants import SPACE, Work, ours
from digits.compute import ComputePath
from digits.data import Digits, load
from mnist_exp.workspaces.local.tracking.database import STORE_NAME


def main(data: Path, epochs: int, folder: Path | None) -> None:
    digits, test = load(data)

    def objective(trial: optuna.Trial) -> float:
        drawn = {key: trial.suggest_categorical(key, values) for key, values in SPACE.items()}
        work = Work.of_trial(digits, test, drawn)
        path = ours.path_for(work)
        epoch = ours.epochs(path, work)
        if folder is None:
            return [epoch() for _ in range(epochs)][-1]
        tracked = _Tracked(folder, trial)
        accuracies = [tracked.logged(number, epoch()) for number in range(1, epochs + 1)]
        tracked.keep(path, test)
        return accuracies[-1]

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(
        direction="maximize", sampler=optuna.samplers.GridSampler(SPACE, seed=0)
    )
    study.optimize(objective, n_trials=8, n_jobs=2)


class _Tracked:
    """An MLflow run of a trial, with code that users write in an Optuna objective."""

    def __init__(self, folder: Path, trial: optuna.Trial) -> None:
        from mlflow import MlflowClient  # noqa: PLC0415 - not needed without FOLDER

        self._client = MlflowClient(f"sqlite:///{folder / STORE_NAME}")
        self._run_id = self._client.create_run("0", run_name=f"trial_{trial.number}").info.run_id
        for name, value in trial.params.items():
            self._client.log_param(self._run_id, name, value)
        self._outputs = folder / f"trial_{trial.number}"

    def logged(self, epoch: int, accuracy: float) -> float:
        for name in ("loss", "training_acc", "validation_acc"):
            self._client.log_metric(self._run_id, name, accuracy, step=epoch)
        return accuracy

    def keep(self, path: ComputePath, test: Digits) -> None:
        from digits.export import evaluate, export_evaluation, export_model  # noqa: PLC0415

        self._outputs.mkdir()
        export_evaluation(evaluate(path, test), self._outputs)
        export_model(path, test, self._outputs)
        self._client.set_terminated(self._run_id)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]) if len(sys.argv) > 3 else None)
