"""A complete training script in the style of tutorials, with metrics, checkpoints and an export.

Run the script in an empty folder: `python -m benchmarks.eager_script DATA EPOCHS BATCH_SIZE`.
"""

import sys
from pathlib import Path

import mlflow
import tensorflow as tf

from benchmarks.contestants import Work
from benchmarks.contestants.eager import EagerTraining
from digits.data import load


def main(data: Path, epochs: int, batch_size: int) -> None:
    digits, test = load(data)
    work = Work(digits.images, digits.labels, test.images, test.labels, batch_size, seed=42)
    training = EagerTraining(work)
    checkpoint = tf.train.Checkpoint(model=training.network, optimizer=training.optimizer)
    manager = tf.train.CheckpointManager(checkpoint, "checkpoints", max_to_keep=2)
    mlflow.set_tracking_uri("sqlite:///mlflow.db")
    with mlflow.start_run():
        for number in range(1, epochs + 1):
            accuracy = training.epoch()
            mlflow.log_metric("validation_acc", accuracy, step=number)
            manager.save()
            print(f"epoch {number}/{epochs}  validation_acc {accuracy:.4f}", flush=True)
        mlflow.log_metric("final_acc", accuracy)
    training.network.export("outputs/model", verbose=False)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
