"""Which of a command's words would change the sweep or run that it goes on with."""

import pytest

from mnist_exp.app.resumption import _changes

THEN = {"seed": 42, "job": {"script": "a.py", "inputs": {"dt": 0.05}}, "sweep": {"values": [1, 2]}}


@pytest.mark.parametrize(
    ("now", "overrides"),
    [
        ({}, ["seed=42", "job=mine", "profile=azure", "+job.inputs.dt=0.05"]),
        # What was typed then, and is not now, is no wish to change it.
        ({"seed": 1, "sweep": {"values": [3]}}, ["job=mine"]),
        # What is chosen beside a sweep, and for Hydra.
        ({"seed": 1}, ["run=last", "stage=sweep", "hydra.job.chdir=true"]),
    ],
)
def test_who_repeats_what_it_was_begun_with_changes_nothing(now, overrides):
    assert _changes({**THEN, **now}, THEN, overrides) == []


@pytest.mark.parametrize(
    ("now", "overrides", "change"),
    [
        ({"seed": 3}, ["seed=3", "job=mine"], ("seed=3", "seed", 42, 3)),
        (
            {"job": {"script": "a.py", "inputs": {"dt": 0.1}}},
            ["job=mine", "sweep=mine"],
            ("job=mine", "job.inputs.dt", 0.05, 0.1),
        ),
        (
            {"job": {"script": "a.py", "inputs": {"dt": 0.1}}},
            ["job=mine", "++job.inputs.dt=0.1"],
            ("++job.inputs.dt=0.1", "job.inputs.dt", 0.05, 0.1),
        ),
        # A choice of numbers and words, as it is read from the file that was kept.
        ({"sweep": {}}, ["~sweep.values"], ("~sweep.values", "sweep.values", [1, 2], None)),
        (
            {"sweep": {"values": [1, 2], "model.lr": 0.1}},
            ["sweep=mine"],
            ("sweep=mine", "sweep.model.lr", None, 0.1),
        ),
        ({"seed": 3}, ["profile=azure"], ("profile=azure", "seed", 42, 3)),
    ],
)
def test_the_words_that_change_it_are_named_with_what_they_change(now, overrides, change):
    (found,) = _changes({**THEN, **now}, THEN, overrides)
    assert (found.override, found.key, found.then, found.now) == change
