"""What is read from a job's console logs."""

from pathlib import Path

import pytest

from mnist_exp.workspaces.local.console import Console


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "std_log.txt"


@pytest.fixture
def console(log: Path) -> Console:
    return Console([log])


def test_the_tail_is_that_of_the_last_attempt(console: Console, log: Path) -> None:
    log.write_text("error: of the first\n")
    console.note("started again, Failed before")
    with log.open("a") as file:
        file.write("warning: of the second\nepoch  7/20  loss 0.1\n")
    assert console.tail(log) == ["warning: of the second", "epoch  7/20  loss 0.1"]
    assert (console.epochs(), console.last_warning()) == (7, "of the second")


def test_a_scripts_own_lines_are_no_attempts(console: Console, log: Path) -> None:
    log.write_text("warning: one\n==== training ====\nOSError: no digits\n==== done ====\n")
    assert console.tail(log, lines=2) == ["OSError: no digits", "==== done ===="]
    assert console.last_warning() == "one"


def test_where_the_script_went_on_is_what_it_said_after_the_note(
    console: Console, log: Path
) -> None:
    log.write_text("resuming from epoch 2\n")
    console.note("evicted after 5 epochs")
    assert console.resumed_from("evicted after 5 epochs") is None
    with log.open("a") as file:
        file.write("resuming from epoch 4, checkpoint in x\n")
    assert console.resumed_from("evicted after 5 epochs") == 4


@pytest.mark.parametrize(
    ("last", "reason"),
    [
        ("ValueError: no digit", ": ValueError: no digit"),
        ("error: no digit", ": error: no digit"),
        ("the end", ""),
        (
            "OSError: [Errno 28] No space left on device",
            "; no space is left for there: free some, or choose another outputs_dir",
        ),
    ],
)
def test_the_last_line_says_why(console: Console, log: Path, last: str, reason: str) -> None:
    log.write_text(f"something else\n{last}\n")
    assert console.reason(log, Path("there")) == reason


def test_a_log_that_is_not_there_says_nothing(console: Console, log: Path) -> None:
    assert (console.tail(log), console.epochs(), console.last_warning()) == ([], 0, "")
    assert console.resumed_from("anything") is None
