"""What can be read from the console logs of a job."""

from pathlib import Path

import pytest

from mnist_exp.workspaces.local.jobs.console import Attempt, Console


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "std_log.txt"


@pytest.fixture
def console(log: Path) -> Console:
    return Console([log])


def test_the_tail_is_that_of_the_last_attempt(console: Console, log: Path) -> None:
    log.write_text("error: of the first\n")
    console.note("restarted, Failed before")
    with log.open("a") as file:
        file.write("warning: of the second\nepoch  7/20  loss 0.1\n")
    assert console.tail(log) == ["warning: of the second", "epoch  7/20  loss 0.1"]
    assert (console.attempt().epoch, console.last_warning()) == (7, "of the second")


def test_a_scripts_own_lines_are_no_attempts(console: Console, log: Path) -> None:
    log.write_text("warning: one\n==== training ====\nOSError: no digits\n==== done ====\n")
    assert console.tail(log, lines=2) == ["OSError: no digits", "==== done ===="]
    assert console.last_warning() == "one"


@pytest.mark.parametrize(
    ("printed", "attempt", "epochs"),
    [
        ("", Attempt(), 0),
        ("epoch 1/9\nepoch 2/9\n", Attempt(0, 2), 2),
        ("resuming from epoch 12 of there\n", Attempt(12, 12), 0),
        ("resuming from epoch 12 of there\nepoch 13/20\n", Attempt(12, 13), 1),
    ],
)
def test_epochs_count_from_where_the_attempt_resumed(
    console: Console, log: Path, printed: str, attempt: Attempt, epochs: int
) -> None:
    log.write_text("epoch 7/9\n")
    console.note("evicted after 7 epochs and 3.0 s")
    with log.open("a") as file:
        file.write(printed)
    assert console.attempt() == attempt
    assert console.attempt().epochs == epochs


@pytest.mark.parametrize(
    ("code", "log_end", "failure"),
    [
        (1, "ValueError: no digit", "exit code 1: ValueError: no digit"),
        (
            2,
            "fit.py: error: unrecognized: --x\n\n",
            "exit code 2: fit.py: error: unrecognized: --x",
        ),
        (3, "", "exit code 3"),
        (137, "", "exit code 137 (SIGKILL, e.g. because the memory was full)"),
        (134, "std::bad_alloc", "exit code 134 (SIGABRT): std::bad_alloc"),
        (255, "", "exit code 255"),
        (2, "│ Missing option '--lr'.   │\n╰────────╯", "exit code 2: Missing option '--lr'."),
        (
            139,
            "Fatal Python error: Segmentation fault\n\nExtension modules: numpy",
            "exit code 139 (SIGSEGV): Fatal Python error: Segmentation fault",
        ),
        (1, "x" * 400, f"exit code 1: {'x' * 300}..."),
        (
            1,
            "OSError: [Errno 28] No space left on device\nmore",
            "exit code 1; the disk of there is full; make space there, or choose another "
            "outputs_dir",
        ),
    ],
)
def test_without_a_record_the_last_line_says_why(
    console: Console, log: Path, code: int, log_end: str, failure: str
) -> None:
    log.write_text(f"{log_end}\n")
    assert console.failure(code, log, Path("there")) == failure


def test_a_recorded_reason_counts_more_than_the_log(console: Console, log: Path) -> None:
    log.write_text("ValueError: in the log\n")
    failure = console.failure(1, log, Path("there"), "InvalidArgumentError: a label")
    assert failure == "exit code 1: InvalidArgumentError: a label"


def test_a_log_that_is_not_there_says_nothing(console: Console, log: Path) -> None:
    assert (console.tail(log), console.attempt(), console.last_warning()) == ([], Attempt(), "")
