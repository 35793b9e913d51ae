import pytest

from mnist_exp.sweeps.importance import parameter_importance


def trials(count=16):
    return [
        ({"lr": 10.0 ** -(index % 4), "batch": 32 * (1 + index % 3), "name": "ab"[index % 2]}, v)
        for index in range(count)
        for v in [1.0 / (1 + index % 4)]
    ]


def test_what_decides_comes_first_and_shares_sum_to_one():
    found = parameter_importance(trials())
    assert next(iter(found)) == "lr"
    assert found["lr"] > 0.5
    assert set(found) == {"lr", "batch", "name"}
    assert sum(found.values()) == pytest.approx(1)
    assert found == parameter_importance(trials())


@pytest.mark.parametrize(
    "given",
    [
        [],
        trials(3),
        [({"x": index}, 0.5) for index in range(9)],
        [({"x": 1}, float(index)) for index in range(9)],
        [({"x": index}, float("nan")) for index in range(9)],
    ],
)
def test_where_nothing_can_be_said_nothing_is(given):
    assert parameter_importance(given) == {}


def test_a_parameter_that_never_differs_is_left_out():
    assert parameter_importance([({"x": i, "y": 1}, float(i)) for i in range(6)]) == {"x": 1.0}


def test_it_says_nothing_of_its_own(capfd):
    parameter_importance(trials())
    assert capfd.readouterr() == ("", "")
