from pathlib import Path

import pytest

from mnist_exp.metrics import MetricPoint
from mnist_exp.records import shown_path
from mnist_exp.report.epochs import epochs_done
from mnist_exp.report.format import (
    accuracy_interval,
    duration,
    number,
    plain,
    printable,
    progress,
    trial_label,
)


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "-"), (64, "64"), (0.012345, "0.01235"), (0.9812, "0.9812"), (True, "True")],
)
def test_numbers_are_short(value: object, text: str):
    assert number(value) == text


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
def test_durations_have_a_suitable_unit(seconds: float | None, text: str):
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("steps", "total", "done"),
    [
        ([], 20, 0),
        ([1, 2, 3], 20, 3),
        # The job resumed from the checkpoint of another run.
        ([21], 22, 21),
        # Steps that are not epochs, and no steps at all.
        ([100, 200], 20, 2),
        ([0, 0, 0], None, 3),
    ],
)
def test_progress_is_the_last_step_where_that_can_be_an_epoch(
    steps: list[int], total: int | None, done: int
):
    assert epochs_done([MetricPoint("metric", 0.5, step) for step in steps], total) == done


def test_a_trial_label_is_the_part_that_its_sweep_lacks():
    assert trial_label("sweep_1_12", "sweep_1") == "12"
    assert trial_label("other_12", "sweep_1") == "other_12"
    assert trial_label("sweep_1", "sweep_1") == "sweep_1"


def test_text_of_a_job_cannot_move_the_cursor():
    assert plain("\x1b[31mred\x1b[0m\r\n\x1b[2Ktext\x1b]0;title\x07 end") == "red text end"


def test_a_log_line_keeps_its_indentation_and_loses_control_codes():
    assert printable('    \x1b[2Jraise ValueError("\x07\x00no")  ') == (
        '    raise ValueError(" no")'
    )


def test_paths_are_relative_to_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    assert shown_path(str(tmp_path / "outputs" / "a.png")) == str(Path("outputs/a.png"))
    assert shown_path("/elsewhere/a.png") == "/elsewhere/a.png"
    assert shown_path("azureml://jobs/x") == "azureml://jobs/x"


@pytest.mark.parametrize(
    ("events", "total", "text"),
    [(3, 20, "3/20"), (0, 20, "0/20"), (0, None, "0"), (3, None, "3"), (21, 20, "21"), (0, 0, "0")],
)
def test_a_total_is_shown_only_if_it_is_known_and_right(
    events: int, total: int | None, text: str
) -> None:
    assert progress(events, total) == text


@pytest.mark.parametrize(
    ("right", "total", "text"),
    [
        (26, 30, "30 samples are few: 95 % interval of the accuracy 70 to 95 %"),
        (30, 30, "30 samples are few: 95 % interval of the accuracy 89 to 100 %"),
        (0, 1, "1 sample is few: 95 % interval of the accuracy 0 to 79 %"),
        (950, 1000, "95 % interval of the accuracy 93 to 96 %"),
    ],
)
def test_few_samples_have_a_wide_interval(right: int, total: int, text: str) -> None:
    assert accuracy_interval(right, total) == text
