from pathlib import Path

import pytest

from mnist_exp.metrics import MetricPoint
from mnist_exp.report import format as words


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "-"), (64, "64"), (0.012345, "0.01235"), (0.9812, "0.9812"), (True, "True")],
)
def test_numbers_are_short(value: object, text: str):
    assert words.number(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "-"),
        (0.04, "0.0 s"),
        (59.94, "59.9 s"),
        (59.96, "1 min 00 s"),
        (125.4, "2 min 05 s"),
        (3725, "1 h 02 min"),
    ],
)
def test_durations_have_the_unit_that_suits(seconds: float | None, text: str):
    assert words.duration(seconds) == text


@pytest.mark.parametrize(
    ("steps", "total", "done"),
    [
        ([], 20, 0),
        ([1, 2, 3], 20, 3),
        # It goes on from the checkpoint of another run.
        ([21], 22, 21),
        # Steps that are no epochs, and no steps at all.
        ([100, 200], 20, 2),
        ([0, 0, 0], None, 3),
    ],
)
def test_progress_is_the_last_step_where_that_can_be_an_epoch(
    steps: list[int], total: int | None, done: int
):
    assert words.epochs_done([MetricPoint("metric", 0.5, step) for step in steps], total) == done


def test_a_trial_is_told_by_what_its_sweep_does_not_say():
    assert words.trial_label("sweep_1_12", "sweep_1") == "12"
    assert words.trial_label("other_12", "sweep_1") == "other_12"
    assert words.trial_label("sweep_1", "sweep_1") == "sweep_1"


def test_what_a_job_says_cannot_move_the_cursor():
    assert words.plain("\x1b[31mred\x1b[0m\r\n\x1b[2Ktext\x1b]0;title\x07 end") == "red text end"


def test_a_line_of_a_log_keeps_its_indentation_and_loses_what_moves_the_cursor():
    assert words.printable('    \x1b[2Jraise ValueError("\x07\x00no")  ') == (
        '    raise ValueError(" no")'
    )


def test_paths_are_shown_from_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    assert words.relative(str(tmp_path / "outputs" / "a.png")) == str(Path("outputs/a.png"))
    assert words.relative("/elsewhere/a.png") == "/elsewhere/a.png"
    assert words.relative("azureml://jobs/x") == "azureml://jobs/x"
