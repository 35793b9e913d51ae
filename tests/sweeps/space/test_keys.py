import pytest
from hypothesis import given
from hypothesis import strategies as st

from mnist_exp.sweeps.space.keys import azure_name, name_fault

# Few letters, so that runs of underscores and dots are common.
KEYS = st.text("ab_.", min_size=1, max_size=8)


def test_a_dotted_key_travels_with_underscores():
    assert azure_name("model.learning_rate") == "model__learning_rate"
    assert azure_name("batch_size") == "batch_size"


@given(KEYS)
def test_every_accepted_key_is_a_name_on_azure(key):
    if name_fault(key) is None:
        assert azure_name(key).isidentifier()


@pytest.mark.parametrize("key", ["1st", "a b", "a-b", "a/b", "", ".a", "a.", "a..b", "a.1", "ä"])
def test_names_outside_azures_pattern_are_refused(key):
    assert "choose another name" in name_fault(key)


@pytest.mark.parametrize("key", ["regressor__n_estimators", "a_.b", "__a"])
def test_a_key_may_have_two_underscores(key):
    assert name_fault(key) is None


def test_a_key_that_mlflow_would_refuse_is_too_long():
    assert name_fault("a" * 250) is None
    assert "at most 250 characters" in name_fault("a" * 251)
