from enum import Enum
from pathlib import Path

import numpy as np
import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from mnist_exp.cli.keyword_values import is_complete, override_text, with_full_keys
from mnist_exp.errors import ConfigError

KEYS = ["model.epochs", "compute.name", "endpoint.name", "job.inputs.lr"]


class Colour(Enum):
    red = "red"


@pytest.mark.parametrize(
    ("value", "parsed"),
    [
        (5, 5),
        (0.1, 0.1),
        (1e-7, 1e-7),
        (True, True),
        (None, None),
        ("wide", "wide"),
        ("it's, {a} = b", "it's, {a} = b"),
        ("", ""),
        ("5", "5"),
        ("1e3", "1e3"),
        ("-.5", "-.5"),
        ("null", "null"),
        ("True", "True"),
        (Path("a b/c"), "a b/c"),
        (Colour.red, "red"),
        ([1, "a"], [1, "a"]),
        ((0.5,), [0.5]),
        ({"type": "choice", "values": [1, 2]}, {"type": "choice", "values": [1, 2]}),
        (np.float64(0.5), 0.5),
        (np.int64(3), 3),
        (np.array([1, 2]), [1, 2]),
    ],
)
def test_hydra_reads_the_value_of_python(value: object, parsed: object) -> None:
    (override,) = OverridesParser.create().parse_overrides([override_text("key", value)])
    # Hydra marks a text in quotes, and ignores the marks when it sets the key.
    found = override.value()
    assert found == parsed
    assert type(found) is type(parsed)


def test_another_type_is_a_fault() -> None:
    with pytest.raises(ConfigError, match=r"^model.epochs: must be .* of type object$"):
        override_text("model.epochs", object())


def test_the_last_part_of_a_key_is_enough() -> None:
    values = {"epochs": 5, "lr": 0.1, "compute.name": "a", "model": "wide", "profile": "azure"}
    assert with_full_keys(values, KEYS) == {
        "model.epochs": 5,
        "job.inputs.lr": 0.1,
        "compute.name": "a",
        "model": "wide",
        "profile": "azure",
    }
    assert not is_complete(values)
    assert is_complete({"model": "small", "model.epochs": 2})


def test_all_bad_names_are_reported_with_their_candidates() -> None:
    with pytest.raises(ConfigError) as caught:
        with_full_keys({"name": "x", "epoch": 5}, KEYS)
    ambiguous, unknown = caught.value.lines
    assert ambiguous == (
        "name: must be the name of one key, but is the name of compute.name, endpoint.name; write "
        'the whole key as text, e.g. "compute.name=x"'
    )
    assert unknown.startswith("epoch: no such key (did you mean epochs")


def test_an_abbreviation_is_no_key_but_its_key_is_named() -> None:
    with pytest.raises(ConfigError) as caught:
        with_full_keys({"lr": 0.1}, ["model.learning_rate"])
    (line,) = caught.value.lines
    assert line.startswith(
        "lr: no such key (did you mean learning_rate, i.e. model.learning_rate?)"
    )
