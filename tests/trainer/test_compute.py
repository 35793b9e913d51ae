from dataclasses import replace

import numpy as np
import pytest

from digits.compiled import CompiledPath
from digits.compute import Progress
from digits.export import evaluate
from digits.general import GeneralPath
from digits.lean import needs_keras
from digits.networks import Architecture, Optimizer
from digits.run import choose_path
from digits.training import epoch_order


def train(path, settings, count, epochs) -> list[Progress]:
    steps = count // settings.batch_size
    return [
        path.train(epoch_order(settings.seed, number, count), Progress(), steps)
        for number in epochs
    ]


def test_both_paths_give_the_same_weights(settings, parts):
    compiled = CompiledPath(settings, parts.training)
    general = GeneralPath(settings, parts.training)
    count = len(parts.training)
    losses = [
        [progress.loss for progress in train(path, settings, count, (1, 2, 3))]
        for path in (compiled, general)
    ]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)
    for one, other in zip(compiled.dense_weights(), general.dense_weights(), strict=True):
        assert np.abs(one - other).max() < 1e-5
    shared = compiled.predict(parts.test.images) == general.predict(parts.test.images)
    assert shared.mean() > 0.999


def test_the_compiled_path_is_chosen_where_it_applies(settings, parts):
    assert isinstance(choose_path(settings, parts.training, None), CompiledPath)
    adam = replace(settings, optimizer=Optimizer.ADAM)
    assert isinstance(choose_path(adam, parts.training, None), GeneralPath)
    assert not needs_keras(settings)
    assert needs_keras(adam)


CASES = [
    (Architecture.DNN, Optimizer.SGD, 0.1),
    (Architecture.DNN, Optimizer.MOMENTUM, 0.01),
    (Architecture.CNN, Optimizer.ADAM, 0.001),
]


@pytest.mark.parametrize(("architecture", "optimizer", "rate"), CASES)
def test_learns_and_resumes_from_its_state_bit_for_bit(
    settings, parts, architecture, optimizer, rate
):
    chosen = replace(settings, architecture=architecture, optimizer=optimizer, learning_rate=rate)
    count = len(parts.training)
    whole, first = (choose_path(chosen, parts.training, None) for _ in range(2))
    expected = train(whole, chosen, count, (1, 2, 3))
    train(first, chosen, count, (1,))
    second = choose_path(chosen, parts.training, None)
    second.restore(first.state())
    assert train(second, chosen, count, (2, 3)) == expected[1:]
    for name, values in whole.state().items():
        assert np.array_equal(second.state()[name], values), name
    assert evaluate(whole, parts.test)["test_acc"] > 0.85
