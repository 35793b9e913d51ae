"""One training run, from the digits to the exported model."""

from pathlib import Path

import tensorflow as tf

from compiled import CompiledEpoch
from compute import ComputePath
from data import Digits, split
from export import Evaluation, evaluate, export_evaluation, export_model
from model import initial_weights
from settings import Settings
from tracking import Tracker, tracked, tracking_uri
from training import Epoch, TrainingLoop

__all__ = ["OUTPUTS", "run"]

# Azure ML keeps this folder of a job: https://learn.microsoft.com/azure/machine-learning/how-to-save-write-experiment-files
OUTPUTS = Path("outputs")


def run(settings: Settings, digits: Digits, test: Digits) -> None:
    """Trains, tracks, evaluates and exports, and says so on stdout.

    Args:
        settings: What was asked for.
        digits: To train and to validate with.
        test: To test with.

    Raises:
        TrainerError: The run cannot start or came to nothing; the text says why.
    """
    parts = split(digits, test, settings.validation_fraction, settings.seed)
    uri = tracking_uri()
    _say(f"tracking: {uri or 'off (no tracking URI, and mlflow-skinny knows no local store)'}")
    with tracked(uri, settings.parameters()) as tracker:
        path = CompiledEpoch(settings, parts.training, initial_weights(settings))
        loop = TrainingLoop(path, settings, parts)
        final = _train(loop, tracker, settings.epochs)
        evaluation = evaluate(path, test)
        ends = {"final_acc": final.metrics["validation_acc"], "test_acc": evaluation["test_acc"]}
        tracker.log(ends, final.number)
        export_evaluation(evaluation, OUTPUTS)
        export_model(path, test, OUTPUTS)
        _summarise(path, loop, settings, evaluation)


def _train(loop: TrainingLoop, tracker: Tracker, epochs: int) -> Epoch:
    for epoch in loop.epochs():
        tracker.log(epoch.metrics, epoch.number)
        values = "  ".join(f"{name} {value:.4f}" for name, value in epoch.metrics.items())
        _say(f"epoch {epoch.number:>{len(str(epochs))}}/{epochs}  {values}  {epoch.seconds:.2f} s")
    return epoch


def _summarise(
    path: ComputePath, loop: TrainingLoop, settings: Settings, evaluation: Evaluation
) -> None:
    pace = loop.pace
    rate = pace.steps * settings.batch_size / pace.seconds if pace.steps else 0
    _say(f"test_acc {evaluation['test_acc']:.4f} on {evaluation['test_count']} images")
    _say(f"{rate:,.0f} images/s on {_device()}, {path.name}")
    _say(f"first step {pace.seconds_to_first_step:.1f} s after the process started")
    _say(f"model in {OUTPUTS / 'model'}")


def _device() -> str:
    gpus = tf.config.list_physical_devices("GPU")
    if not gpus:
        return "CPU"
    details = tf.config.experimental.get_device_details(gpus[0])
    return f"{len(gpus)} GPU, {details.get('device_name', 'unknown')}"


def _say(line: str) -> None:
    print(line, flush=True)
