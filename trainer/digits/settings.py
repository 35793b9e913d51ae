"""The command line of a training run: its settings, and the rules for their values.

This module imports neither NumPy nor TensorFlow, because these imports are slow. Without these
imports, a wrong command line is reported immediately.
"""

import argparse
import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn, TypeVar

from digits.networks import Architecture, Name, Optimizer

_Kind = TypeVar("_Kind", bound=Name)

#: Maximum value of a setting that counts something, such as the number of epochs. A larger number
#: is probably a typing error.
_LARGEST_COUNT = 1_000_000
#: Limits of the learning rate. The trainer computes in float32, and these numbers are approximately
#: the smallest normal number and the largest number of float32.
_LEAST_FLOAT, _GREATEST_FLOAT = 1.2e-38, 3.4e38
#: The largest seed that Keras accepts.
_LAST_SEED = 2**32 - 1


@dataclass(frozen=True)
class Settings:
    """The settings of one training run. `train.py --help` describes each setting."""

    data_folder: Path
    batch_size: int = 64
    first_layer_neurons: int = 256
    second_layer_neurons: int = 128
    learning_rate: float = 0.01
    epochs: int = 20
    seed: int = 42
    validation_fraction: float = 0.1
    architecture: Architecture = Architecture.DNN
    optimizer: Optimizer = Optimizer.SGD
    checkpoints: Path | None = None
    checkpoint_every: int = 1
    resume_from: Path | None = None

    @property
    def is_dense_sgd(self) -> bool:
        """Whether the compiled path can train this network: dense layers and plain SGD."""
        return self.architecture is Architecture.DNN and self.optimizer is Optimizer.SGD

    def parameters(self) -> dict[str, str | int | float]:
        """Return the settings that affect the result, by their names in MLflow."""
        return {
            "batch_size": self.batch_size,
            "first_layer_neurons": self.first_layer_neurons,
            "second_layer_neurons": self.second_layer_neurons,
            "learning_rate": self.learning_rate,
            "epochs": self.epochs,
            "seed": self.seed,
            "validation_fraction": self.validation_fraction,
            "architecture": str(self.architecture),
            "optimizer": str(self.optimizer),
        }


class _OneLineParser(argparse.ArgumentParser):
    """An ArgumentParser that reports an error in one line, without the usage text."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"error: {message} (see --help)\n")


def parse_arguments(arguments: Sequence[str] | None = None) -> Settings:
    """Read the command line.

    Args:
        arguments: The words after the script's name; None means the arguments of the process.

    Raises:
        SystemExit: The command line is wrong. The exit code is 2, and one line on stderr contains
            the flag, the rule and the value.
    """
    return Settings(**vars(_parser().parse_args(arguments)))


def _parser() -> argparse.ArgumentParser:
    parser = _OneLineParser(
        prog=Path(sys.argv[0]).name,
        description="Train a network on handwritten digits in MNIST's IDX files.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add(
        "--data-folder",
        type=Path,
        required=True,
        help="folder with MNIST's four IDX files, gzipped or not; subfolders are searched too",
    )
    add("--batch-size", type=_positive_int, default=64, help="number of images in one step")
    add(
        "--first-layer-neurons",
        type=_positive_int,
        default=256,
        help="number of neurons in the first hidden layer",
    )
    add(
        "--second-layer-neurons",
        type=_positive_int,
        default=128,
        help="number of neurons in the second hidden layer",
    )
    add("--learning-rate", type=_positive_float, default=0.01, help="learning rate")
    add("--epochs", type=_positive_int, default=20, help="number of passes over the training set")
    add(
        "--seed",
        type=_seed,
        default=42,
        help="seed of the initial weights, the validation split and the order of the images",
    )
    add(
        "--validation-fraction",
        type=_fraction,
        default=0.1,
        help="share of the training images of each class that is used for validation",
    )
    add(
        "--architecture",
        type=_member(Architecture),
        default=Architecture.DNN,
        help="network: dnn (two hidden layers) or cnn (convolutions with fixed sizes)",
    )
    add(
        "--optimizer",
        type=_member(Optimizer),
        default=Optimizer.SGD,
        help="optimiser: sgd, momentum (sgd with momentum 0.9) or adam",
    )
    add(
        "--checkpoints",
        type=Path,
        help="folder for checkpoints; if the folder contains checkpoints of the same run, the run"
        " resumes from the newest checkpoint",
    )
    add(
        "--checkpoint-every",
        type=_positive_int,
        default=1,
        help="number of epochs from one checkpoint to the next",
    )
    add(
        "--resume-from",
        type=Path,
        help="checkpoint of another run, or a folder with such checkpoints; this run starts from"
        " there if the folder of --checkpoints has no checkpoint",
    )
    return parser


def _number(text: str, rule: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise argparse.ArgumentTypeError(f"must be {rule}, got {text!r}")
    return value


def _whole(text: str, low: int, high: int) -> int:
    rule = f"a whole number of at least {low}"
    # A sweep may pass the whole number 64 as 64.0.
    value = _number(text, rule)
    if value != int(value) or value < low:
        raise argparse.ArgumentTypeError(f"must be {rule}, got {text!r}")
    if value > high:
        raise argparse.ArgumentTypeError(f"must be at most {high}, got {text!r}")
    return int(value)


def _positive_int(text: str) -> int:
    return _whole(text, 1, _LARGEST_COUNT)


def _seed(text: str) -> int:
    return _whole(text, 0, _LAST_SEED)


def _positive_float(text: str) -> float:
    value = _number(text, "a finite number above 0")
    if value <= 0:
        raise argparse.ArgumentTypeError(f"must be a finite number above 0, got {text!r}")
    if not _LEAST_FLOAT <= value <= _GREATEST_FLOAT:
        rule = f"from {_LEAST_FLOAT} to {_GREATEST_FLOAT}, the range of float32"
        raise argparse.ArgumentTypeError(f"must be {rule}, got {text!r}")
    return value


def _fraction(text: str) -> float:
    value = _number(text, "above 0 and below 1")
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError(f"must be above 0 and below 1, got {text!r}")
    return value


def _member(kind: type[_Kind]) -> Callable[[str], _Kind]:
    def parse(text: str) -> _Kind:
        try:
            return kind(text)
        except ValueError:
            names = ", ".join(kind)
            raise argparse.ArgumentTypeError(f"must be one of {names}, got {text!r}") from None

    return parse
