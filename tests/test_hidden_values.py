"""Values of environment variables are replaced in records and messages."""

import pytest

from mnist_exp.hidden_values import HiddenValues

KEY = "job.environment_variables"
HIDDEN = HiddenValues.of(
    {
        "TOKEN": ("abcdef", "abcdef"),
        "LONGER": ("abcdefgh", "abcdefgh"),
        "QUOTED": ("it's", "it's"),
        "OF_CALLER": ("${oc.env:HOME}", "/home/me"),
        "MIXED": ("pass-${seed}", "pass-42"),
        "LEVEL": ("3", "3"),
        "RATE": ("1.50", "1.50"),
    }
)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("key abcdefgh, abcdef.", "key ${oc.env:LONGER}, ${oc.env:TOKEN}."),
        ("{A: 'it\\'s'}", "{A: '${oc.env:QUOTED}'}"),
        ("/home/me/x", "${oc.env:HOME}/x"),
        ("pass-42", "${oc.env:MIXED}"),
        ("3 and 1.50", "3 and 1.50"),
    ],
)
def test_a_text(text: str, shown: str) -> None:
    assert HIDDEN.text(text) == shown
    assert HIDDEN.content({"a": [text, 1]}) == {"a": [shown, 1]}


@pytest.mark.parametrize(
    ("override", "shown"),
    [
        (f"+{KEY}.NEW=not yet known", f"+{KEY}.NEW=${{oc.env:NEW}}"),
        (f"{KEY}.NEW=one,two", f"{KEY}.NEW=${{oc.env:NEW}}"),
        (f"{KEY}.NEW=${{oc.env:HOME}}", f"{KEY}.NEW=${{oc.env:HOME}}"),
        (f"{KEY}.NEW=${{oc.env:HOME,default}}", f"{KEY}.NEW=${{oc.env:NEW}}"),
        (f"{KEY}.NEW='3'", f"{KEY}.NEW='3'"),
        (f"~{KEY}.NEW", f"~{KEY}.NEW"),
        (f"{KEY}={{A: abcdef}}", f"{KEY}={{A: ${{oc.env:TOKEN}}}}"),
        ("job.command=echo abcdef", "job.command=echo ${oc.env:TOKEN}"),
        ("model.epochs=3", "model.epochs=3"),
    ],
)
def test_an_override(override: str, shown: str) -> None:
    assert HIDDEN.override(override) == shown
