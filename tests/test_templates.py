import shlex
import subprocess

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from mnist_exp.templates import (
    azure_command,
    drawn_text,
    hydra_text,
    literal_text,
    references,
    render,
    swept,
    unreadable,
)

VALUES = {
    ("inputs", "lr"): "0.1",
    ("inputs", "model.dropout"): "0.5",
    ("outputs", "model"): "/out/model",
    ("search_space", "batch"): "32",
}


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("train {{inputs.lr}}", "train 0.1"),
        ("train {{ inputs.lr }}", "train 0.1"),
        ("x={{inputs.model.dropout}}", "x=0.5"),
        ("{{inputs.lr}}{{outputs.model}}{{search_space.batch}}", "0.1/out/model32"),
        ("awk '{print $1}' ${HOME} {{other.x}}", "awk '{print $1}' ${HOME} {{other.x}}"),
        ("no reference", "no reference"),
    ],
)
def test_references_are_filled_in(command: str, expected: str) -> None:
    assert render(command, VALUES) == expected


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("train $[[--lr {{inputs.lr}}]] end", "train --lr 0.1 end"),
        ("train $[[--mu {{inputs.mu}}]] end", "train  end"),
        ("$[[--lr {{inputs.lr}} --mu {{inputs.mu}}]]|", "|"),
        ("$[[{{inputs.mu}}]]$[[{{inputs.lr}}]]", "0.1"),
        ("$[[--lr\n{{inputs.lr}}]]", "--lr\n0.1"),
    ],
)
def test_an_optional_part_needs_all_its_values(command: str, expected: str) -> None:
    assert render(command, VALUES) == expected


def test_a_condition_of_bash_may_contain_references() -> None:
    command = "if [[ {{inputs.lr}} == 0.1 ]]; then t $[[--mu {{inputs.mu}}]]; fi"
    assert render(command, VALUES) == "if [[ 0.1 == 0.1 ]]; then t ; fi"
    assert references(command) == {("inputs", "lr"): True, ("inputs", "mu"): False}


@pytest.mark.parametrize("test", ["[[ -f model.h5 ]]", '[[ "$a" == "b" ]]'])
def test_bashs_own_test_keeps_its_brackets(test: str) -> None:
    command = f"if {test}; then train $[[--lr {{{{inputs.lr}}}}]]; fi"
    assert render(command, VALUES) == f"if {test}; then train --lr 0.1; fi"
    assert azure_command(command) == f"if {test}; then train $[[--lr ${{{{inputs.lr}}}}]]; fi"
    assert references(command) == {("inputs", "lr"): False}


def test_a_required_value_that_is_missing_is_an_error() -> None:
    with pytest.raises(KeyError):
        render("{{inputs.mu}}", VALUES)


def test_values_are_not_templates() -> None:
    values = {("inputs", "a"): "{{inputs.b}} [[x]] \\1", ("inputs", "b"): "no"}
    assert render("{{inputs.a}}", values) == "{{inputs.b}} [[x]] \\1"


@pytest.mark.external
@pytest.mark.parametrize(
    "value", ["a b", "it's", "$HOME", "`id`; $(id)", "*", "", "-n", "a\nb", "ü"]
)
def test_a_quoted_value_reaches_the_program_unchanged(value: str) -> None:
    command = render("printf %s {{inputs.x}}", {("inputs", "x"): value}, shlex.quote)
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
    assert done.stdout == value


@pytest.mark.external
def test_unquoted_values_are_split_by_the_shell() -> None:
    command = render("printf '<%s>' {{inputs.x}}", {("inputs", "x"): "a  b"})
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
    assert done.stdout == "<a><b>"


def test_references_say_which_are_required() -> None:
    command = "{{inputs.a}} $[[{{inputs.a}} {{inputs.b}}]] {{outputs.c}} {{search_space.d.e}}"
    assert references(command) == {
        ("inputs", "a"): True,
        ("inputs", "b"): False,
        ("outputs", "c"): True,
        ("search_space", "d.e"): True,
    }


def test_swept_inputs_move_to_the_search_space() -> None:
    command = "{{inputs.lr}} {{inputs.epochs}} {{outputs.lr}} {{search_space.x}}"
    assert swept(command, {"lr": "lr", "x": "model.x"}) == (
        "{{search_space.lr}} {{inputs.epochs}} {{outputs.lr}} {{search_space.x}}"
    )


def test_azure_form_is_azures_spelling() -> None:
    command = "t --a {{inputs.a}} $[[--b {{ inputs.b }}]] {{outputs.c}} {{search_space.d}}"
    assert azure_command(command) == (
        "t --a ${{inputs.a}} $[[--b ${{inputs.b}}]] ${{outputs.c}} ${{search_space.d}}"
    )


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "true"),
        (False, "false"),
        (1, "1"),
        (0.5, "0.5"),
        ("True", "True"),
        (1e-05, "1e-05"),
        # What argparse takes for a number, and not for an option.
        (-5.087e-05, "-0.00005087"),
        (-3.0, "-3.0"),
        (float("-inf"), "-inf"),
    ],
)
def test_literals_have_yamls_spelling(value: object, text: str) -> None:
    assert literal_text(value) == text  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["a", "it's", "a b, c", "", "-5e-05", "x\\", "a\\'b", "{a: 1}"])
def test_hydra_reads_a_text_as_it_was(text: str) -> None:
    override = OverridesParser.create().parse_override(f"key={hydra_text(text)}")
    assert str(override.value()) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (65.0, "65"),
        (-0.5, "-0.5"),
        (-4.0, "-4"),
        (-2e-07, "-0.0000002"),
        (100, "100"),
        ("1.0", "1.0"),
        ('{"x":65.0}', '{"x":65.0}'),
    ],
)
def test_whole_numbers_are_drawn_without_a_fraction(value: object, text: str) -> None:
    assert drawn_text(value) == text


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("t {{inputs.x}} $[[--y {{inputs.y}}]]", []),
        ("t {{input.x}} {{ x }}", ["{{input.x}}", "{{ x }}"]),
        ("t {{inputs.}}", ["{{inputs.}}"]),
        ("t $[[--y {{inputs.y}} end", ["$[[--y..."]),
        ("t [[--y {{inputs.y}}]]", ["[[--y..."]),
        ("t [[ --y {{inputs.y}} ]]", ["[[ --y..."]),
        ("t [[ -lr {{inputs.y}} ]]", ["[[ -lr..."]),
        ("t [[{{inputs.y}}]]", ["[[{{inputs.y}}]]..."]),
        ("t $[[--y 1]]", ["$[[--y 1]]"]),
        ("if [[ {{inputs.x}} == true && -f {{inputs.y}} ]]; then t; fi", []),
        ("grep '[[:space:]]' {{inputs.x}}", []),
        ("docker ps --format '{{.Names}}'", []),
        ("if [[ -f x ]]; then awk '{print $1}'; fi", []),
    ],
)
def test_misspelt_references_are_found(command: str, expected: list[str]) -> None:
    assert unreadable(command) == expected
