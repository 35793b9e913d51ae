import re

import pytest

from mnist_exp.names import compute_name_fault, endpoint_name_fault, input_name_fault, new_job_name


@pytest.mark.parametrize("name", ["abc", "tff-dnn-endpoint-0123abcd", "A1-", "a" * 32])
def test_valid_endpoint_names(name: str) -> None:
    fault = endpoint_name_fault(name)
    assert (fault is None) == (not name.endswith("-"))


@pytest.mark.parametrize(
    "name", ["", "ab", "a" * 33, "9lives", "-ab", "ab-", "a_b", "a.b", "aü0", "abc\n"]
)
def test_invalid_endpoint_names(name: str) -> None:
    fault = endpoint_name_fault(name)
    assert fault is not None
    assert fault.startswith("must be 3 to 32 letters")
    assert repr(name) in fault


@pytest.mark.parametrize("name", ["cpu-cluster", "gpu", "A" * 24, "ab-"])
def test_valid_compute_names(name: str) -> None:
    assert compute_name_fault(name) is None


@pytest.mark.parametrize("name", ["", "ab", "a" * 25, "1abc", "a_bc", "abc\n"])
def test_invalid_compute_names(name: str) -> None:
    assert "3 to 24" in (compute_name_fault(name) or "")


@pytest.mark.parametrize("name", ["x", "_x", "learning_rate", "model.lr", "a1._b2"])
def test_valid_input_names(name: str) -> None:
    assert input_name_fault(name) is None


@pytest.mark.parametrize("name", ["", "1x", "a-b", "a b", ".a", "a.", "a..b", "a.1", "ä", "a\n"])
def test_invalid_input_names(name: str) -> None:
    assert repr(name) in (input_name_fault(name) or "")


def test_a_name_that_is_too_long_for_mlflow_is_invalid() -> None:
    assert input_name_fault("a" * 250) is None
    assert "at most 250 characters" in (input_name_fault("a" * 251) or "")


def test_new_job_names_sort_by_time_and_differ() -> None:
    names = [new_job_name("train") for _ in range(100)]
    assert len(set(names)) == 100
    assert all(re.fullmatch(r"train_\d{8}_\d{6}_[0-9a-f]{6}", name) for name in names)
    stamps = [name.rpartition("_")[0] for name in names]
    assert stamps == sorted(stamps)
