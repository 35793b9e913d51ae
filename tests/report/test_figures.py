import math
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.image import imread
from matplotlib.text import Text

from mnist_exp.errors import OutputsError
from mnist_exp.metrics import MetricPoint
from mnist_exp.report.figures import (
    comparison_curves,
    confusion_matrix,
    learning_curves,
    parallel_coordinates,
    predictions,
    sweep_figure,
)
from mnist_exp.report.figures.history import draw_history
from mnist_exp.report.figures.legend import above
from mnist_exp.report.figures.parameters import draw_parameter
from mnist_exp.report.insights import sweep_insights
from mnist_exp.results import JobResult, TrialResult
from mnist_exp.status import JobStatus
from mnist_exp.sweeps.ranking import Goal, Objective
from mnist_exp.sweeps.space.expressions import Scale
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
    picture = pixels(
        learning_curves(command_job(), 20, METRIC, tmp_path / "figures" / "curves.png")
    )
    height, width, _ = picture.shape
    assert 1200 < width < 2400
    assert 400 < height < 1200
    left, right = picture[:, : width // 2], picture[:, width // 2 :]
    # Two accuracies at the left, the loss alone at the right.
    assert count(left, BLUE) > 500
    assert count(left, VERMILLION) > 500
    assert count(right, BLUE) > 500
    assert count(right, VERMILLION) == 0


def test_a_comparison_has_a_panel_for_each_metric_and_a_colour_for_each_job(tmp_path: Path):
    both = {"loss": points([2, 1]), "acc": points([0.1, 0.2]), "test_acc": points([0.5])}
    jobs = [("1  wide", both), ("2  $small", {"acc": points([0.3, math.inf])}), ("3  failed", {})]
    picture = pixels(comparison_curves(jobs, tmp_path / "figures" / "comparison.png"))
    # Above the legend: the loss of the first job at the left, the accuracy of two at the right.
    height, width, _ = picture.shape
    left, right = picture[: height // 2, : width // 2], picture[: height // 2, width // 2 :]
    assert (count(left, BLUE) > 200, count(left, VERMILLION)) == (True, 0)
    assert count(right, BLUE) > 200
    assert count(right, VERMILLION) > 20


def test_a_users_own_metrics_get_panels_of_their_own(tmp_path: Path):
    metrics = {f"metric{i} $x_{i}": points([1.0, math.nan, math.inf, 3.0, 2.0]) for i in range(5)}
    picture = pixels(
        learning_curves(
            JobResult("mine", JobStatus.COMPLETED, metrics=metrics),
            None,
            None,
            tmp_path / "curves.png",
        )
    )
    assert picture.shape[0] > 700


@pytest.mark.parametrize(
    "metrics", [{}, {"acc": points([0.5])}, {"acc": [*points([0.5]), *points([0.6])], "none": []}]
)
def test_few_points_make_a_figure_too(tmp_path: Path, metrics: dict[str, list[MetricPoint]]):
    job = JobResult("short", JobStatus.FAILED, metrics=metrics)
    assert not is_blank(pixels(learning_curves(job, 20, METRIC, tmp_path / "curves.png")))


def draw_sweep(
    job: JobResult, path: Path, metric: str = METRIC, goal: Goal = Goal.MAXIMIZE
) -> Path:
    scales = dict.fromkeys(("batch_size", "first_layer_neurons"), Scale.CATEGORICAL)
    scales["learning_rate"] = Scale.LOGARITHMIC
    return sweep_figure(job, Objective(metric, goal), 20, scales, path)


@pytest.mark.parametrize("trials", [8, 100])
def test_the_sweep_shows_the_best_the_cut_and_the_failed(tmp_path: Path, trials: int):
    picture = pixels(draw_sweep(sweep_job(trials), tmp_path / "sweep.png"))
    assert picture.shape[1] == 1950
    assert count(picture, BLUE) > 500
    assert count(picture, VERMILLION) > 50
    assert count(picture, PINK) > 20


def test_without_cut_trials_nothing_is_drawn_as_cut(tmp_path: Path):
    job = sweep_job(4)
    kept = [trial for trial in job.trials if trial.status is JobStatus.COMPLETED]
    job = replace(job, trials=kept)
    picture = pixels(draw_sweep(job, tmp_path / "s.png"))
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
    picture = pixels(draw_sweep(job, tmp_path / "sweep.png", "f1"))
    assert picture.shape[0] > 1000


@pytest.mark.parametrize("values", [[], [math.nan]])
def test_a_sweep_without_its_metric_says_so(tmp_path: Path, values: list[float]):
    trials = [TrialResult("s_0", JobStatus.FAILED, {"x": 1}, metrics={"f1": points(values)})]
    job = JobResult("s", JobStatus.FAILED, trials=trials)
    picture = pixels(draw_sweep(job, tmp_path / "sweep.png", "f1", Goal.MINIMIZE))
    assert not is_blank(picture)
    assert picture.shape[0] == 750


def test_numbers_that_no_axis_holds_are_left_out(tmp_path: Path):
    given = [
        row
        for value in (math.nan, math.inf, -math.inf, 1.7e308)
        for row in (
            (1.0, 0.5, [0.5, value]),
            (10**400, value, [value]),
            (value, -value, [-value, 0.1]),
        )
    ]
    trials = [
        TrialResult(
            f"s_{index}",
            JobStatus.COMPLETED,
            {"x": parameter},
            best=best,
            metrics={METRIC: [MetricPoint(METRIC, one, step) for step, one in enumerate(values)]},
        )
        for index, (parameter, best, values) in enumerate(given)
    ]
    job = JobResult("s", JobStatus.COMPLETED, trials=trials, best="s_0", metrics=trials[0].metrics)
    assert not is_blank(pixels(draw_sweep(job, tmp_path / "sweep.png")))
    objective = Objective(METRIC, Goal.MAXIMIZE)
    parallel = parallel_coordinates(job, objective, {"x": Scale.LOGARITHMIC}, tmp_path / "p.png")
    assert not is_blank(pixels(parallel))
    assert not is_blank(pixels(learning_curves(job, 20, METRIC, tmp_path / "curves.png")))


def test_a_curve_that_ends_in_nan_has_its_mark_at_the_last_number():
    trial = TrialResult("s_0", JobStatus.FAILED, {}, metrics={METRIC: points([0.2, 0.5, math.nan])})
    axes = Figure().subplots()
    draw_history(axes, JobResult("s", JobStatus.FAILED, trials=[trial]), METRIC, None)
    assert axes.get_lines()[0].get_markevery() == [1]


def test_values_after_the_decision_are_a_dotted_line_that_does_not_count():
    late = TrialResult(
        "s_0",
        JobStatus.CANCELED,
        {},
        best=0.2,
        events=2,
        late=1,
        cut=2,
        metrics={METRIC: points([0.1, 0.2, 0.9])},
    )
    axes = Figure().subplots()
    draw_history(axes, JobResult("s", JobStatus.COMPLETED, trials=[late], best="s_0"), METRIC, 9)
    counted, dotted = axes.get_lines()
    assert list(counted.get_ydata()) == [0.1, 0.2]
    assert counted.get_markevery() == [1]
    assert (list(dotted.get_xdata()), list(dotted.get_ydata())) == ([2, 3], [0.2, 0.9])
    assert dotted.get_linestyle() == ":"
    legend = axes.get_legend()
    assert legend is not None
    assert legend.get_texts()[-1].get_text() == "after the decision, not counted (1)"


@pytest.mark.parametrize(
    ("epochs", "first", "ticks", "label"),
    [
        (20, 1, [5, 10, 15, 20], "epoch"),
        (10, 1, [2, 4, 6, 8, 10], "epoch"),
        (3, 1, [1, 2, 3], "epoch"),
        (50, 1, [10, 20, 30, 40, 50], "epoch"),
        # The run resumed another run after epoch 12.
        (15, 13, [13, 14, 15], "epoch"),
        (None, 1, [5, 10, 15, 20], "interval"),
    ],
)
def test_ticks_are_the_epochs_by_which_people_count(
    epochs: int | None, first: int, ticks: list[int], label: str
):
    last = epochs or 20
    logged = [MetricPoint(METRIC, 0.5, step) for step in range(first, last + 1)]
    trial = TrialResult("s_0", JobStatus.COMPLETED, {}, best=0.5, metrics={METRIC: logged})
    axes = Figure().subplots()
    draw_history(axes, JobResult("s", JobStatus.COMPLETED, trials=[trial]), METRIC, epochs)
    left, right = axes.get_xlim()
    assert [tick for tick in axes.get_xticks() if left <= tick <= right] == ticks
    assert axes.get_xlabel() == label


def test_dots_with_the_same_value_do_not_hide_each_other():
    trials = [
        TrialResult(f"s_{index}", JobStatus.COMPLETED, {"x": "a"}, best=0.5) for index in range(7)
    ]
    axes = Figure().subplots()
    job = JobResult("s", JobStatus.COMPLETED, trials=trials, best="s_3")
    draw_parameter(axes, job, "x", Scale.CATEGORICAL)
    dots = sorted(float(x) for drawn in axes.collections for x, _ in drawn.get_offsets())
    assert np.diff(dots) == pytest.approx(0.09)
    assert max(map(abs, dots)) < 0.3


def drawn_by(draw: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, *arguments: Any) -> Figure:
    """Draw a figure, and return the figure that was saved."""
    saved: list[Figure] = []
    module = sys.modules[draw.__module__]

    def keep(figure: Figure, path: Path) -> Path:
        saved.append(figure)
        return path

    monkeypatch.setattr(module, "save", keep)
    draw(*arguments)
    return saved[0]


def words_of(figure: Figure) -> str:
    return " | ".join(text.get_text() for text in figure.findobj(Text))  # type: ignore[attr-defined]


def test_the_epoch_of_the_best_value_is_marked_in_the_curves(monkeypatch: pytest.MonkeyPatch):
    values = [0.1, 0.5, 0.9, 0.7]
    best = TrialResult("s_3", JobStatus.COMPLETED, {}, best=0.9, metrics={"acc": points(values)})
    job = JobResult("s", JobStatus.COMPLETED, metrics=best.metrics, trials=[best], best="s_3")
    for epochs, label in ((4, "epoch 3"), (None, "interval 3")):
        figure = drawn_by(learning_curves, monkeypatch, job, epochs, "acc", Path("c.png"))
        assert f"best trial: s_3 · best acc: 0.9 at {label} (dashed line)" in words_of(figure)
        assert list(figure.axes[0].get_lines()[-1].get_xdata()) == [3, 3]


@pytest.mark.parametrize(
    ("steps", "others", "where"),
    [
        # Trials resumed after epoch 12. The last step is not an epoch.
        ([13, 14, 31], (), "epoch 14"),
        # Another trial logged more often than once in each epoch.
        ([1, 2, 3], (16,), "interval 2"),
    ],
)
def test_the_summary_and_the_figures_agree_on_the_place_of_the_best_value(
    monkeypatch: pytest.MonkeyPatch, steps: list[int], others: tuple[int, ...], where: str
):
    logged = [
        MetricPoint(METRIC, value, step) for value, step in zip((0.1, 0.9, 0.5), steps, strict=True)
    ]
    best = TrialResult(
        "s_0",
        JobStatus.CANCELED,
        {},
        best=0.9,
        last=0.9,
        events=2,
        late=1,
        cut=2,
        metrics={METRIC: logged},
    )
    longer = [
        TrialResult(f"s_{events}", JobStatus.COMPLETED, {}, events=events) for events in others
    ]
    job = JobResult(
        "s", JobStatus.COMPLETED, metrics=best.metrics, trials=[best, *longer], best="s_0"
    )
    objective = Objective(METRIC, Goal.MAXIMIZE)
    assert f"0.9 at {where}, last" in sweep_insights(job, objective, 15, {})["winner"]
    figure = drawn_by(learning_curves, monkeypatch, job, 15, METRIC, Path("c.png"))
    assert f"0.9 at {where} (dashed line)" in words_of(figure)
    curve, dashed = figure.axes[0].get_lines()
    history = Figure().subplots()
    draw_history(history, job, METRIC, 15)
    number = int(where.rpartition(" ")[2])
    for x in (curve.get_xdata()[1], dashed.get_xdata()[0], history.get_lines()[0].get_xdata()[1]):
        assert x == number


@pytest.mark.parametrize(
    ("steps", "unit", "drawn"),
    [
        ([10, 20, 30], "step", [10, 20, 30]),
        ([30, 10, 20], "step", [10, 20, 30]),
        # The script logs no steps, or began again.
        ([0, 0, 0], "interval", [1, 2, 3]),
        ([1, 2, 1], "interval", [1, 2, 3]),
    ],
)
def test_a_job_has_the_same_horizontal_axis_in_both_figures_of_curves(
    monkeypatch: pytest.MonkeyPatch, steps: list[int], unit: str, drawn: list[int]
):
    logged = {"acc": [MetricPoint("acc", 0.5, step) for step in steps]}
    job = JobResult("a", JobStatus.COMPLETED, metrics=logged)
    for figure in (
        drawn_by(learning_curves, monkeypatch, job, None, "acc", Path("c.png")),
        drawn_by(comparison_curves, monkeypatch, [("1  a", logged), ("2  b", {})], Path("c.png")),
    ):
        axes = figure.axes[0]
        assert axes.get_xlabel() == unit
        assert list(axes.get_lines()[0].get_xdata()) == drawn
        assert axes.get_lines()[0].get_marker() == "o"


def test_every_figure_names_its_run(monkeypatch: pytest.MonkeyPatch):
    path, objective = Path("figure.png"), Objective(METRIC, Goal.MAXIMIZE)
    blank, labels = np.zeros((30, 784), np.uint8), list(range(10)) * 3
    sweep = sweep_job(8)
    for name, draw, arguments in (
        ("train_1", learning_curves, (command_job(), 20, METRIC)),
        ("sweep_1", sweep_figure, (sweep, objective, 20, {"batch_size": Scale.CATEGORICAL})),
        ("sweep_1", parallel_coordinates, (sweep, objective, {})),
        ("train_1 · 90 of 100 right", confusion_matrix, ([[90, 10], [0, 0]], "ab", "train_1")),
        (
            "digits · 30 samples are few: 95 % interval of the accuracy 79 to 98 %",
            predictions,
            (blank, [1, 2, *labels[2:]], labels, "digits"),
        ),
    ):
        words = words_of(drawn_by(draw, monkeypatch, *arguments, path))
        assert name in words
        assert ("moved a little" in words) is (draw is sweep_figure)


@pytest.mark.parametrize(("suffix", "start"), [("svg", b"<?xml"), ("pdf", b"%PDF")])
def test_a_figure_has_the_format_of_its_suffix(tmp_path: Path, suffix: str, start: bytes):
    path = learning_curves(command_job(), 20, METRIC, tmp_path / f"curves.{suffix}")
    assert path.read_bytes().startswith(start)


def test_a_legend_stands_clear_of_what_is_taken_out_of_large_numbers():
    for values, height in (([0.1, 0.2], 1), ([1795421696.6, 1795421697.9], 1.06)):
        axes = Figure().subplots()
        axes.plot(values)
        assert above(axes) == (0, height)


def test_a_sweep_of_nothing_but_seeds_has_its_history_alone(tmp_path: Path):
    trials = [replace(trial, parameters={}) for trial in sweep_job(2).trials]
    job = replace(sweep_job(2), trials=trials)
    picture = pixels(draw_sweep(job, tmp_path / "sweep.png"))
    assert picture.shape[0] == 750


def test_the_confusion_matrix_is_blue_on_the_diagonal_and_orange_beside(tmp_path: Path):
    counts = np.diag(np.full(10, 100))
    right = pixels(confusion_matrix(counts, range(10), "job", tmp_path / "right.png"))
    assert count(right, BLUE) > 40_000
    orange = (right[..., 0] > right[..., 2] + 15).sum()
    assert orange == 0
    counts[3, 5] = 25
    wrong = pixels(confusion_matrix(counts.tolist(), range(10), "job", tmp_path / "wrong.png"))
    assert (wrong[..., 0] > wrong[..., 2] + 15).sum() > 2_000


def test_named_classes_and_an_empty_class_are_drawn(tmp_path: Path):
    counts = [[5000, 3, 0], [1, 40, 0], [0, 0, 0]]
    classes = ["cat", "a dog with a name", "$none"]
    assert not is_blank(pixels(confusion_matrix(counts, classes, "job", tmp_path / "c.png")))


def test_a_matrix_of_another_shape_is_refused(tmp_path: Path):
    with pytest.raises(ValueError, match="3 x 3 for 3 classes"):
        confusion_matrix([[1, 2], [3, 4]], "abc", "job", tmp_path / "c.png")


def digits(n: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (n, 784)).astype(np.uint8)


def test_red_is_used_for_wrong_predictions_only(tmp_path: Path):
    images, labels = digits(30), list(range(10)) * 3
    right = pixels(predictions(images, labels, labels, "endpoint", tmp_path / "right.png"))
    wrong = pixels(
        predictions(images, [9, *labels[1:]], labels, "endpoint", tmp_path / "wrong.png")
    )
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
    right = pixels(predictions(blank, labels, labels, "endpoint", tmp_path / "right.png"))
    wrong = pixels(predictions(blank, [9, *labels[1:]], labels, "endpoint", tmp_path / "wrong.png"))
    nobody_knows = pixels(predictions(blank, labels, None, "endpoint", tmp_path / "unknown.png"))
    side = 28 * 150 / 46
    black = [int((picture.max(axis=2) == 0).sum()) for picture in (right, wrong, nobody_knows)]
    assert black == [0, pytest.approx(side**2, rel=0.1), 0]


def test_every_ten_digits_take_a_row(tmp_path: Path):
    one = pixels(predictions(digits(30), [1] * 30, [1] * 30, "endpoint", tmp_path / "one.png"))
    four = pixels(predictions(digits(100), [1] * 100, [1] * 100, "endpoint", tmp_path / "four.png"))
    assert four.shape[1] == one.shape[1]
    assert 2.5 * one.shape[0] < four.shape[0] < 3.4 * one.shape[0]


@pytest.mark.parametrize(
    ("n", "predicted", "actual"), [(0, [], []), (2, [1], [1, 2]), (1, [1], [])]
)
def test_as_many_labels_as_images_are_needed(
    tmp_path: Path, n: int, predicted: list[int], actual: list[int]
):
    with pytest.raises(ValueError, match="one prediction and one label for each image"):
        predictions(digits(n), predicted, actual, "endpoint", tmp_path / "p.png")


def test_a_figure_that_cannot_be_written_is_our_own_error(tmp_path: Path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputsError, match="cannot write the figure"):
        learning_curves(command_job(), 20, METRIC, tmp_path / "file" / "curves.png")
    (tmp_path / "taken.png").mkdir()
    with pytest.raises(OutputsError, match=r"taken\.png"):
        learning_curves(command_job(), 20, METRIC, tmp_path / "taken.png")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "taken.png"]


def test_a_figure_is_replaced(tmp_path: Path):
    path = tmp_path / "p.png"
    path.write_text("old")
    predictions(digits(1), [1], [1], "endpoint", path)
    pixels(path)
