import pytest
from hypothesis import given
from hypothesis import strategies as st

from mnist_exp.sweeps.space.keys import azure_name, hydra_key, name_fault

# Few letters, so that runs of underscores and dots are common.
KEYS = st.text("ab_.", min_size=1, max_size=8)


def test_a_dotted_key_travels_with_underscores():
    assert azure_name("model.learning_rate") == "model__learning_rate"
    assert hydra_key("model__learning_rate") == "model.learning_rate"
    assert azure_name("batch_size") == "batch_size"


@given(KEYS)
def test_every_accepted_key_survives_the_round_trip(key):
    if name_fault(key) is None:
        assert hydra_key(azure_name(key)) == key


@given(KEYS, KEYS)
def test_accepted_keys_never_collide(one, other):
    if one != other and name_fault(one) is None and name_fault(other) is None:
        assert azure_name(one) != azure_name(other)


@pytest.mark.parametrize("key", ["1st", "a b", "a-b", "a/b", "", ".a", "a.", "a..b", "a.1", "ä"])
def test_names_outside_azures_pattern_are_refused(key):
    assert "choose another name" in name_fault(key)


@pytest.mark.parametrize("key", ["a__b", "a_.b"])
def test_a_key_that_would_be_read_back_differently_is_refused(key):
    assert "two underscores" in name_fault(key)


def test_a_key_that_mlflow_would_refuse_is_too_long():
    assert name_fault("a" * 250) is None
    assert "at most 250 letters" in name_fault("a" * 251)
