"""The trainer's own paths, called as its training loop calls them."""

from benchmarks.contestants import Epoch, Work
from compiled import CompiledEpoch
from compute import Progress
from data import Digits
from model import initial_weights
from settings import Settings
from training import accuracy, epoch_order


def build(work: Work) -> Epoch:
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
    path = CompiledEpoch(settings, digits, initial_weights(settings))
    number = 0

    def epoch() -> float:
        nonlocal number
        number += 1
        order = epoch_order(settings.seed, number, len(digits))
        path.train(order, Progress(), len(digits) // settings.batch_size)
        return accuracy(path, test)

    return epoch
