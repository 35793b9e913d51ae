"""The trainer's own paths, called as its training loop calls them."""

from benchmarks.contestants import Epoch, Work
from compute import ComputePath, Progress
from data import Digits
from export import evaluate
from paths import choose_path
from settings import Settings
from training import epoch_order


def build(work: Work, general: int = 0) -> Epoch:
    settings = Settings(
        data_folder=None,  # type: ignore[arg-type]
        batch_size=work.batch_size,
        first_layer_neurons=work.hidden[0],
        second_layer_neurons=work.hidden[1],
        learning_rate=work.learning_rate,
        seed=work.seed,
    )
    digits = Digits(work.images, work.labels)
    test = Digits(work.test_images, work.test_labels)
    path = _path(settings, digits, general)
    number = 0

    def epoch() -> float:
        nonlocal number
        number += 1
        order = epoch_order(settings.seed, number, len(digits))
        path.train(order, Progress(), len(digits) // settings.batch_size)
        return evaluate(path, test)["test_acc"]

    return epoch


def _path(settings: Settings, digits: Digits, general: int) -> ComputePath:
    if not general:
        return choose_path(settings, digits, None)
    from general import GeneralPath  # noqa: PLC0415

    return GeneralPath(settings, digits)
