import pytest

from digits.networks import Architecture, Optimizer, build_network, build_optimizer


@pytest.mark.parametrize("architecture", Architecture)
def test_every_network_takes_pixels_and_returns_logits(architecture):
    network = build_network(architecture, 16, 8)
    assert network.input_shape == (None, 784)
    assert network.output_shape == (None, 10)


def test_the_dense_network_has_the_given_widths():
    network = build_network(Architecture.DNN, 16, 8)
    assert [layer.units for layer in network.layers] == [16, 8, 10]


@pytest.mark.parametrize(
    ("optimizer", "name", "momentum"),
    [(Optimizer.SGD, "SGD", 0), (Optimizer.MOMENTUM, "SGD", 0.9), (Optimizer.ADAM, "Adam", None)],
)
def test_every_optimizer_has_the_given_learning_rate(optimizer, name, momentum):
    built = build_optimizer(optimizer, 0.25)
    assert type(built).__name__ == name
    assert float(built.learning_rate) == 0.25
    assert getattr(built, "momentum", None) == momentum
