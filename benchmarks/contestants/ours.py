"""The trainer's compute paths, which this module calls in the same way as the training loop."""

from benchmarks.contestants import Epoch, Work
from digits.compute import ComputePath, Progress
from digits.data import Digits
from digits.export import evaluate
from digits.run import choose_path
from digits.settings import Settings
from digits.training import epoch_order


def build(work: Work, general: int = 0) -> Epoch:
    return epochs(path_for(work, general), work)


def path_for(work: Work, general: int = 0) -> ComputePath:
    """Return an untrained network. If `general` is 1, the network uses the general path."""
    settings = _settings(work)
    digits = Digits(work.images, work.labels)
    if not general:
        return choose_path(settings, digits, None)
    from digits.general import GeneralPath  # noqa: PLC0415

    return GeneralPath(settings, digits)


def epochs(path: ComputePath, work: Work) -> Epoch:
    """Return a function that trains the network for the next epoch."""
    test = Digits(work.test_images, work.test_labels)
    count = len(work.labels)
    number = 0

    def epoch() -> float:
        nonlocal number
        number += 1
        order = epoch_order(work.seed, number, count)
        path.train(order, Progress(), count // work.batch_size)
        return evaluate(path, test)["test_acc"]

    return epoch


def _settings(work: Work) -> Settings:
    return Settings(
        data_folder=None,  # type: ignore[arg-type]
        batch_size=work.batch_size,
        first_layer_neurons=work.hidden[0],
        second_layer_neurons=work.hidden[1],
        learning_rate=work.learning_rate,
        seed=work.seed,
    )
