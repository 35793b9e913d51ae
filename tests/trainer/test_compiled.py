import numpy as np
import pytest

from digits import compiled
from digits.compiled import CompiledPath
from digits.compute import Progress
from digits.data import Digits
from digits.settings import parse_arguments
from digits.tiles import Tiles
from digits.training import epoch_order


def trained(widths, parts) -> list[np.ndarray]:
    first, second = map(str, widths)
    words = ["--data-folder", ".", "--batch-size", "4", "--learning-rate", "0.1"]
    words += ["--first-layer-neurons", first, "--second-layer-neurons", second]
    settings = parse_arguments(words)
    dice = np.random.default_rng(0)
    images = dice.integers(0, 256, (32, 784), dtype=np.uint8)
    digits = Digits(images, dice.integers(0, 10, 32, dtype=np.uint8))
    path = CompiledPath(settings, digits, parts)
    for number in (1, 2):
        path.train(epoch_order(1, number, len(digits)), Progress(), 8)
    return path.dense_weights()


@pytest.mark.parametrize("widths", [(1, 1), (2, 3), (17, 5)])
def test_a_layer_in_parts_learns_the_same_as_a_whole_layer(widths):
    whole = trained(widths, 1)
    for parts in (2, 3):
        apart = trained(widths, parts)
        assert [weight.shape for weight in apart] == [weight.shape for weight in whole]
        for one, other in zip(whole, apart, strict=True):
            assert np.abs(one - other).max() < 1e-5


@pytest.fixture
def dark_digits() -> Digits:
    """Digits whose last pixels are lit in few images."""
    dice = np.random.default_rng(0)
    lit = dice.random((640, 784)) < 0.3
    lit[:, 400:] &= dice.random((640, 1)) < 0.1
    images = np.where(lit, dice.integers(1, 256, lit.shape), 0).astype(np.uint8)
    return Digits(images, dice.integers(0, 10, 640, dtype=np.uint8))


def stretches(digits, *ends) -> tuple[Progress, list[np.ndarray]]:
    """Train two epochs, each in stretches that end at these steps."""
    settings = parse_arguments(["--data-folder", ".", "--learning-rate", "0.1"])
    path = CompiledPath(settings, digits, parts=2)
    for number in (1, 2):
        progress = Progress()
        for end in ends:
            progress = path.train(epoch_order(1, number, len(digits)), progress, end)
    return progress, path.dense_weights()


def test_leaving_out_dark_pixels_changes_nothing(dark_digits, monkeypatch):
    assert len(Tiles(dark_digits.images, 64).pixels) > 1
    progress, tiled = stretches(dark_digits, 10)
    monkeypatch.setattr("digits.tiles._WORTH_IT", 0)
    expected, whole = stretches(dark_digits, 10)
    assert progress.loss == pytest.approx(expected.loss, rel=1e-5)
    for one, other in zip(tiled, whole, strict=True):
        assert np.abs(one - other).max() < 1e-5


def test_weights_do_not_depend_on_where_an_epoch_is_cut(dark_digits):
    progress, weights = stretches(dark_digits, 10)
    expected, others = stretches(dark_digits, 1, 2, 7, 10)
    assert progress == expected
    for one, other in zip(weights, others, strict=True):
        assert (one == other).all()


def test_resumes_from_its_state_bit_for_bit_with_pixels_in_tiles(dark_digits):
    settings = parse_arguments(["--data-folder", ".", "--learning-rate", "0.1"])
    whole, first, second = (CompiledPath(settings, dark_digits, parts=2) for _ in range(3))
    orders = [epoch_order(1, number, len(dark_digits)) for number in (1, 2, 3)]
    for order in orders:
        whole.train(order, Progress(), 10)
    first.train(orders[0], Progress(), 10)
    second.restore(first.state())
    for order in orders[1:]:
        second.train(order, Progress(), 10)
    for one, other in zip(whole.dense_weights(), second.dense_weights(), strict=True):
        assert (one == other).all()


@pytest.mark.parametrize(("named", "parts"), [("1", 1), ("2", 2), ("16", 2)])
def test_a_layer_has_as_many_parts_as_threads_but_two_at_most(monkeypatch, named, parts):
    monkeypatch.setenv("TF_NUM_INTRAOP_THREADS", named)
    assert compiled._useful_parts() == parts


@pytest.mark.parametrize("named", ["0", "-1", "2.0", "two", ""])
def test_an_invalid_number_of_threads_is_ignored(monkeypatch, named):
    monkeypatch.delenv("TF_NUM_INTRAOP_THREADS", raising=False)
    by_itself = compiled._threads()
    monkeypatch.setenv("TF_NUM_INTRAOP_THREADS", named)
    assert compiled._threads() == by_itself


def test_a_gpu_computes_the_whole_layer(monkeypatch):
    monkeypatch.setenv("TF_NUM_INTRAOP_THREADS", "2")
    monkeypatch.setattr(compiled.tf.config, "list_physical_devices", lambda _: ["a GPU"])
    assert compiled._useful_parts() == 1
