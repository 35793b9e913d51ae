import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.image import imread

from mnist_exp.errors import OutputsError
from mnist_exp.metrics import MetricPoint
from mnist_exp.report.figures import (
    confusion_matrix,
    learning_curves,
    parallel_coordinates,
    predictions,
    sweep_figure,
)
from mnist_exp.report.figures.history import draw_history
from mnist_exp.report.figures.legend import above
from mnist_exp.results import JobResult, TrialResult
from mnist_exp.status import JobStatus
from mnist_exp.sweeps.ranking import Goal
from tests.support.sample_results import METRIC, command_job, points, sweep_job

BLUE = (0x00, 0x72, 0xB2)
VERMILLION = (0xD5, 0x5E, 0x00)
PINK = (0xCC, 0x79, 0xA7)
RED = (0xE5, 0x00, 0x0B)


def pixels(path: Path) -> np.ndarray:
    """The picture as (height, width, 3) integers; it must be a PNG that stands alone."""
    assert path.read_bytes().startswith(b"\x89PNG\r\n")
    assert [other.name for other in path.parent.iterdir() if other.name.startswith(".")] == []
    return (imread(path)[..., :3] * 255).round().astype(int)


def count(picture: np.ndarray, colour: tuple[int, int, int]) -> int:
    return int((abs(picture - np.array(colour)).max(axis=2) <= 6).sum())


def is_blank(picture: np.ndarray) -> bool:
    return bool((picture == 255).all())


def test_learning_curves_have_a_panel_for_each_kind_of_metric(tmp_path: Path):
    picture = pixels(learning_curves(command_job(), tmp_path / "figures" / "curves.png"))
    height, width, _ = picture.shape
    assert 1200 < width < 2400
    assert 400 < height < 1200
    left, right = picture[:, : width // 2], picture[:, width // 2 :]
    # Two accuracies at the left, the loss alone at the right.
    assert count(left, BLUE) > 500
    assert count(left, VERMILLION) > 500
    assert count(right, BLUE) > 500
    assert count(right, VERMILLION) == 0


def test_a_users_own_metrics_get_panels_of_their_own(tmp_path: Path):
    metrics = {f"metric{i} $x_{i}": points([1.0, math.nan, math.inf, 3.0, 2.0]) for i in range(5)}
    picture = pixels(
        learning_curves(
            JobResult("mine", JobStatus.COMPLETED, metrics=metrics), tmp_path / "curves.png"
        )
    )
    assert picture.shape[0] > 700


@pytest.mark.parametrize(
    "metrics", [{}, {"acc": points([0.5])}, {"acc": [*points([0.5]), *points([0.6])], "none": []}]
)
def test_few_points_make_a_figure_too(tmp_path: Path, metrics: dict[str, list[MetricPoint]]):
    job = JobResult("short", JobStatus.FAILED, metrics=metrics)
    assert not is_blank(pixels(learning_curves(job, tmp_path / "curves.png")))


@pytest.mark.parametrize(("trials", "goal"), [(8, "maximize"), (100, Goal.MAXIMIZE)])
def test_the_sweep_shows_the_best_the_cut_and_the_failed(
    tmp_path: Path, trials: int, goal: Goal | str
):
    picture = pixels(sweep_figure(sweep_job(trials), METRIC, goal, tmp_path / "sweep.png"))
    assert picture.shape[1] == 1950
    assert count(picture, BLUE) > 500
    assert count(picture, VERMILLION) > 50
    assert count(picture, PINK) > 20


def test_without_cut_trials_nothing_is_drawn_as_cut(tmp_path: Path):
    job = sweep_job(4)
    kept = [trial for trial in job.trials if trial.status is JobStatus.COMPLETED]
    job = replace(job, trials=kept)
    picture = pixels(sweep_figure(job, METRIC, "maximize", tmp_path / "s.png"))
    assert count(picture, VERMILLION) == 0
    assert count(picture, BLUE) > 500


def test_parameters_of_every_kind_get_a_panel(tmp_path: Path):
    parameters = [
        {"optimizer": name, "nesterov": flag, "dropout": value, "$odd_name": "x" * 40}
        for name, flag, value in (("sgd", True, 0.0), ("adam", False, 0.5), ("rmsprop", True, 0.2))
    ]
    del parameters[2]["dropout"]
    trials = [
        TrialResult(
            f"s_{i}",
            JobStatus.COMPLETED,
            values,
            best=0.9,
            last=0.9,
            events=2,
            metrics={"f1": points([math.nan, 0.9])},
        )
        for i, values in enumerate(parameters)
    ]
    job = JobResult("s", JobStatus.COMPLETED, trials=trials, best="s_0")
    picture = pixels(sweep_figure(job, "f1", "Maximize", tmp_path / "sweep.png"))
    assert picture.shape[0] > 1000


@pytest.mark.parametrize("values", [[], [math.nan]])
def test_a_sweep_without_its_metric_says_so(tmp_path: Path, values: list[float]):
    trials = [TrialResult("s_0", JobStatus.FAILED, {"x": 1}, metrics={"f1": points(values)})]
    job = JobResult("s", JobStatus.FAILED, trials=trials)
    picture = pixels(sweep_figure(job, "f1", "minimize", tmp_path / "sweep.png"))
    assert not is_blank(picture)
    assert picture.shape[0] == 750


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1.7e308])
def test_numbers_that_no_axis_holds_are_left_out(tmp_path: Path, value: float):
    trials = [
        TrialResult(
            f"s_{index}",
            JobStatus.COMPLETED,
            {"x": parameter},
            best=best,
            metrics={METRIC: [MetricPoint(METRIC, one, step) for step, one in enumerate(values)]},
        )
        for index, (parameter, best, values) in enumerate(
            [(1.0, 0.5, [0.5, value]), (10**400, value, [value]), (value, -value, [-value, 0.1])]
        )
    ]
    job = JobResult("s", JobStatus.COMPLETED, trials=trials, best="s_0", metrics=trials[0].metrics)
    for draw in (sweep_figure, parallel_coordinates):
        assert not is_blank(pixels(draw(job, METRIC, "maximize", tmp_path / "sweep.png")))
    assert not is_blank(pixels(learning_curves(job, tmp_path / "curves.png")))


def test_a_curve_that_ends_in_nan_has_its_mark_at_the_last_number():
    trial = TrialResult("s_0", JobStatus.FAILED, {}, metrics={METRIC: points([0.2, 0.5, math.nan])})
    axes = Figure().subplots()
    draw_history(axes, JobResult("s", JobStatus.FAILED, trials=[trial]), METRIC)
    assert axes.get_lines()[0].get_markevery() == [1]


def test_a_legend_stands_clear_of_what_is_taken_out_of_large_numbers():
    for values, height in (([0.1, 0.2], 1), ([1795421696.6, 1795421697.9], 1.06)):
        axes = Figure().subplots()
        axes.plot(values)
        assert above(axes) == (0, height)


def test_a_sweep_of_nothing_but_seeds_has_its_history_alone(tmp_path: Path):
    trials = [replace(trial, parameters={}) for trial in sweep_job(2).trials]
    job = replace(sweep_job(2), trials=trials)
    picture = pixels(sweep_figure(job, METRIC, "maximize", tmp_path / "sweep.png"))
    assert picture.shape[0] == 750


def test_the_confusion_matrix_is_blue_on_the_diagonal_and_orange_beside(tmp_path: Path):
    counts = np.diag(np.full(10, 100))
    right = pixels(confusion_matrix(counts, range(10), tmp_path / "right.png"))
    assert count(right, BLUE) > 40_000
    orange = (right[..., 0] > right[..., 2] + 15).sum()
    assert orange == 0
    counts[3, 5] = 25
    wrong = pixels(confusion_matrix(counts.tolist(), range(10), tmp_path / "wrong.png"))
    assert (wrong[..., 0] > wrong[..., 2] + 15).sum() > 2_000


def test_named_classes_and_an_empty_class_are_drawn(tmp_path: Path):
    counts = [[5000, 3, 0], [1, 40, 0], [0, 0, 0]]
    classes = ["cat", "a dog with a name", "$none"]
    assert not is_blank(pixels(confusion_matrix(counts, classes, tmp_path / "c.png")))


def test_a_matrix_of_another_shape_is_refused(tmp_path: Path):
    with pytest.raises(ValueError, match="3 x 3 for 3 classes"):
        confusion_matrix([[1, 2], [3, 4]], "abc", tmp_path / "c.png")


def digits(n: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (n, 784)).astype(np.uint8)


def test_red_is_used_for_wrong_predictions_only(tmp_path: Path):
    images, labels = digits(30), list(range(10)) * 3
    right = pixels(predictions(images, labels, labels, tmp_path / "right.png"))
    wrong = pixels(predictions(images, [9, *labels[1:]], labels, tmp_path / "wrong.png"))
    assert right.shape == wrong.shape
    # Three rows of ten.
    assert 1.2 * right.shape[0] < right.shape[1] < 2 * right.shape[0]
    assert count(right, RED) == 0
    rows, columns = (abs(wrong - np.array(RED)).max(axis=2) <= 6).nonzero()
    assert len(rows) > 50
    # Above and below the first digit, nowhere else.
    assert columns.max() < wrong.shape[1] / 8
    assert rows.max() < wrong.shape[0] / 2


def test_a_wrong_image_is_inverted(tmp_path: Path):
    blank, labels = np.zeros((30, 784), np.uint8), list(range(10)) * 3
    right = pixels(predictions(blank, labels, labels, tmp_path / "right.png"))
    wrong = pixels(predictions(blank, [9, *labels[1:]], labels, tmp_path / "wrong.png"))
    nobody_knows = pixels(predictions(blank, labels, None, tmp_path / "unknown.png"))
    side = 28 * 150 / 46
    black = [int((picture.max(axis=2) == 0).sum()) for picture in (right, wrong, nobody_knows)]
    assert black == [0, pytest.approx(side**2, rel=0.1), 0]


def test_every_ten_digits_take_a_row(tmp_path: Path):
    one = pixels(predictions(digits(30), [1] * 30, [1] * 30, tmp_path / "one.png"))
    four = pixels(predictions(digits(100), [1] * 100, [1] * 100, tmp_path / "four.png"))
    assert four.shape[1] == one.shape[1]
    assert 2.5 * one.shape[0] < four.shape[0] < 3.4 * one.shape[0]


@pytest.mark.parametrize(
    ("n", "predicted", "actual"), [(0, [], []), (2, [1], [1, 2]), (1, [1], [])]
)
def test_as_many_labels_as_images_are_needed(
    tmp_path: Path, n: int, predicted: list[int], actual: list[int]
):
    with pytest.raises(ValueError, match="one prediction and one label for each image"):
        predictions(digits(n), predicted, actual, tmp_path / "p.png")


def test_a_figure_that_cannot_be_written_is_our_own_error(tmp_path: Path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputsError, match="cannot write the figure"):
        learning_curves(command_job(), tmp_path / "file" / "curves.png")
    (tmp_path / "taken.png").mkdir()
    with pytest.raises(OutputsError, match=r"taken\.png"):
        learning_curves(command_job(), tmp_path / "taken.png")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "taken.png"]


def test_a_figure_is_replaced(tmp_path: Path):
    path = tmp_path / "p.png"
    path.write_text("old")
    predictions(digits(1), [1], [1], path)
    pixels(path)
