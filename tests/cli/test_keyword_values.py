from enum import Enum
from pathlib import Path

import numpy as np
import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from mnist_exp.cli.keyword_values import is_complete, keyword_overrides, override_text
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
        ("null", "null"),
        ("True", "True"),
        ("-.5", "-.5"),
        ("+.5", "+.5"),
        ("-inf", "-inf"),
        (Path("a b/c"), "a b/c"),
        (Colour.red, "red"),
        ([1, "a"], [1, "a"]),
        ((0.5,), [0.5]),
        ({"type": "choice", "values": [1, 2]}, {"type": "choice", "values": [1, 2]}),
        ({"a b": "x", "a:b": [1], 3: {"c{d}": None}}, {"a b": "x", "a:b": [1], 3: {"c{d}": None}}),
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


@pytest.mark.parametrize("name", ["é", "it's", "", "5", "-.5", "true", None, 0.5])
def test_hydra_cannot_read_a_name_of_an_entry(name: object) -> None:
    with pytest.raises(ConfigError, match=f"^endpoint.tags: Hydra does not read {name!r} as"):
        override_text("endpoint.tags", {name: 1})


def test_the_last_part_of_a_key_is_enough() -> None:
    values = {"epochs": 5, "lr": 0.1, "compute.name": "a", "model": "wide", "profile": "azure"}
    assert keyword_overrides(values, KEYS) == (
        [
            "model.epochs=5",
            "job.inputs.lr=0.1",
            "compute.name=a",
            "model=wide",
            "profile=azure",
        ],
        [],
    )
    assert not is_complete(values)
    assert is_complete({"model": "small", "model.epochs": 2})


def test_all_faults_are_returned_with_the_names_that_were_meant() -> None:
    wrong = {"name": "x", "epoch": 5, "bs": 64, "epochs": object(), "model.seed": 1}
    overrides, (ambiguous, unknown, initials, kind) = keyword_overrides(wrong, KEYS)
    assert overrides == ["model.seed=1"]
    assert ambiguous == (
        "name: must be the name of one key, but is the name of compute.name, endpoint.name; write "
        'the whole key as text, e.g. "compute.name=x"'
    )
    assert unknown.startswith("epoch: no such key (did you mean epochs?)")
    assert initials.startswith("bs: no such key (did you mean batch_size?)")
    assert kind.startswith("model.epochs: must be ")
    assert kind.endswith(" of type object")
