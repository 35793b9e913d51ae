import pytest

from mnist_exp.sweeps.fields import Fields, did_you_mean, shown


def test_null_counts_as_not_given():
    part = Fields({"seed": None}, "sweep.x")
    part.only([], "grid")
    assert part.faults == []
    part.required(["seed"], "random")
    assert part.faults == ["sweep.x.seed: random needs this key; add ++sweep.x.seed=..."]


def test_a_foreign_field_is_named_with_the_override_that_removes_it():
    part = Fields({"values": [1], "min_valu": 2}, "sweep.search_space.x")
    part.only(["values", "min_value"], "choice")
    assert part.faults == [
        "sweep.search_space.x.min_valu: the keys of choice are values, min_value, got min_valu=2; "
        "remove this key with ~sweep.search_space.x.min_valu; did you mean 'min_value'?"
    ]


@pytest.mark.parametrize(
    "value", ["3", True, [3], float("nan"), float("inf"), -float("inf"), 10**400]
)
def test_what_is_not_a_finite_number_is_refused(value):
    part = Fields({"q": value}, "w")
    assert part.number("q") is None
    assert len(part.faults) == 1


@pytest.mark.parametrize("value", [0, 1.5, True, "2", 11, float("nan"), 10**400])
def test_what_is_not_a_whole_number_in_range_is_refused(value):
    part = Fields({"n": value}, "w")
    assert part.integer("n", 1, 10) is None
    assert "must be a whole number, from 1 to 10, got" in part.faults[0]


def test_a_whole_float_is_an_integer():
    value = Fields({"n": 2.0}, "w").integer("n", 1)
    assert value == 2
    assert isinstance(value, int)


def test_did_you_mean_ignores_case_and_says_nothing_about_strangers():
    assert did_you_mean("Val_Acc", ["val_acc", "loss"]) == "; did you mean 'val_acc'?"
    assert did_you_mean("accuracy", ["acc", "loss"]) == "; did you mean 'acc'?"
    assert did_you_mean("acc", ["Accuracy", "loss"]) == "; did you mean 'Accuracy'?"
    assert did_you_mean("zzz", ["val_acc", "loss"]) == ""
    assert did_you_mean("z", ["zebra"]) == ""


def test_a_long_value_is_cut_so_that_a_message_stays_one_line():
    assert len(shown("x" * 500)) < 80
