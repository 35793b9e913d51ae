"""What the figure of parallel coordinates shows, read from what matplotlib was given."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from mnist_exp.report.figures import parallel
from mnist_exp.report.figures.canvas import BLUE, GREY, VERMILLION
from mnist_exp.report.figures.parallel import parallel_coordinates
from mnist_exp.report.figures.parameters import draw_parameter
from mnist_exp.results import JobResult, TrialResult
from mnist_exp.status import JobStatus
from mnist_exp.sweeps.ranking import Goal, Objective
from mnist_exp.sweeps.space.expressions import Scale

Draw = Callable[..., Figure]
ACC = Objective("acc", Goal.MAXIMIZE)


def trial(
    index: int, best: float | None, parameters: dict[str, Any], **changes: Any
) -> TrialResult:
    given = {"status": JobStatus.COMPLETED, **changes}
    return TrialResult(name=f"sweep_{index}", parameters=parameters, best=best, **given)


@pytest.fixture
def draw(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Draw:
    """Draws a sweep of some trials, and returns the figure that was saved."""
    saved: list[Figure] = []
    save = parallel.save

    def keep(figure: Figure, path: Path) -> Path:
        saved.append(figure)
        return save(figure, path)

    monkeypatch.setattr(parallel, "save", keep)

    def draw_one(*trials: TrialResult, best: str = "sweep_0", **scales: Scale) -> Figure:
        job = JobResult("sweep", JobStatus.COMPLETED, trials=trials, best=best)
        path = tmp_path / "figures" / "parallel.png"
        assert parallel_coordinates(job, ACC, scales, path) == path
        assert path.read_bytes().startswith(b"\x89PNG")
        return saved.pop()

    return draw_one


def lines(axes: Axes) -> list[tuple[str, list[float]]]:
    """Return colour and heights of each trial's line; the axes themselves are lines of two ends."""
    places = len(axes.get_xticks())
    found = [line for line in axes.get_lines() if list(line.get_xdata()) == list(range(places))]
    return [(to_hex(line.get_color()), [float(y) for y in line.get_ydata()]) for line in found]


def ticks(axes: Axes, place: int) -> dict[str, float]:
    """Return what is written at an axis, and at which height."""
    return {text.get_text(): text.xy[1] for text in axes.texts if text.xy[0] == place}  # type: ignore[attr-defined]


def test_each_trial_is_a_line_through_its_values_to_what_came_of_it(draw: Draw) -> None:
    figure = draw(
        trial(0, 0.9, {"layers": 3, "name": "b"}),
        trial(1, 0.5, {"layers": 1, "name": "c"}),
        trial(2, 0.7, {"layers": 2, "name": "a"}, status=JobStatus.CANCELED, cut=2),
        trial(3, 0.7, {"layers": 2, "name": "a"}, status=JobStatus.CANCELED),
    )
    (axes,) = figure.axes
    assert [text.get_text() for text in axes.get_xticklabels()] == ["layers", "name", "best acc"]
    found = dict(lines(axes))
    assert found[BLUE.lower()] == pytest.approx([1, 0.5, 1])
    assert found[GREY] == pytest.approx([0, 1, 0])
    assert found[VERMILLION.lower()] == pytest.approx([0.5, 0, 0.5])
    assert ticks(axes, 0) == pytest.approx({"1": 0, "2": 0.5, "3": 1})
    assert ticks(axes, 1) == pytest.approx({"a": 0, "b": 0.5, "c": 1})
    assert ticks(axes, 2) == pytest.approx({"0.5": 0, "0.7": 0.5, "0.9": 1})
    assert "sweep · maximize acc" in [text.get_text() for text in figure.texts]
    legend = axes.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == [
        "best: trial 0, 0.9",
        "completed (1)",
        "cut early (1)",
        # By a timeout, not by a policy.
        "canceled (1)",
    ]


def test_the_best_one_lies_on_top_and_is_the_thickest(draw: Draw) -> None:
    (axes,) = draw(*(trial(i, float(i), {"x": i}) for i in range(3)), best="sweep_1").axes
    drawn = [line for line in axes.get_lines() if list(line.get_xdata()) == [0, 1]]
    top = max(drawn, key=lambda line: line.get_zorder())
    assert to_hex(top.get_color()) == BLUE.lower()
    assert top.get_linewidth() == max(line.get_linewidth() for line in drawn)
    assert list(top.get_ydata()) == pytest.approx([0.5, 0.5])


@pytest.mark.parametrize(
    ("scale", "values", "heights", "label"),
    [
        (Scale.LOGARITHMIC, [0.0001, 0.01, 1.0], [0, 0.5, 1], "x (log)"),
        # A uniform parameter stays linear, however small its smallest value is.
        (Scale.LINEAR, [0.0001, 0.01, 1.0], [0, 0.0099, 1], "x"),
        # The numbers of a choice have equal distances.
        (Scale.CATEGORICAL, [16, 64, 512], [0, 0.5, 1], "x"),
        # Zero has no logarithm.
        (Scale.LOGARITHMIC, [0, 1, 100], [0, 0.01, 1], "x"),
    ],
)
def test_an_axis_has_the_scale_of_the_search_space_in_every_figure(
    draw: Draw, scale: Scale, values: list[float], heights: list[float], label: str
) -> None:
    trials = [trial(i, 0.5 + i, {"x": value}) for i, value in enumerate(values)]
    (axes,) = draw(*trials, x=scale).axes
    assert sorted(drawn[0] for _, drawn in lines(axes)) == pytest.approx(heights, abs=1e-4)
    assert axes.get_xticklabels()[0].get_text() == label
    panel = Figure().subplots()
    job = JobResult("sweep", JobStatus.COMPLETED, trials=trials, best="sweep_0")
    draw_parameter(panel, job, "x", scale)
    assert (panel.get_xscale() == "log") is ("log" in label)
    assert panel.get_xlabel() == label


def test_what_all_trials_share_lies_in_the_middle_and_is_written_once(draw: Draw) -> None:
    (axes,) = draw(trial(0, 0.5, {"x": 7}), trial(1, 0.6, {"x": 7})).axes
    assert [heights[0] for _, heights in lines(axes)] == [0.5, 0.5]
    assert ticks(axes, 0) == {"7": 0.5}


def test_values_are_not_written_over_each_other(draw: Draw) -> None:
    random = np.random.default_rng(0)
    (axes,) = draw(*(trial(i, float(v), {"x": i}) for i, v in enumerate(random.random(200)))).axes
    for place in (0, 1):
        heights = np.sort([text.xy[1] for text in axes.texts if text.xy[0] == place])  # type: ignore[attr-defined]
        assert len(heights) > 10
        assert np.diff(heights).min() >= 0.039
        assert (heights[0], heights[-1]) == (0, 1)


def test_a_mapping_that_was_drawn_is_written_in_short(draw: Draw) -> None:
    long = '{"kind":"a","x":0.7899228425858561,"momentum":0.9}'
    (axes,) = draw(trial(0, 0.5, {"sub": long}), trial(1, 0.6, {"sub": '{"kind":"b"}'})).axes
    assert set(ticks(axes, 0)) == {"{kind=a x=0.7899 moment…", "{kind=b}"}


def test_trials_without_a_value_have_no_line(draw: Draw) -> None:
    figure = draw(trial(0, 0.5, {"x": 1}), trial(1, None, {"x": 2}), trial(2, math.nan, {"x": 3}))
    assert len(lines(figure.axes[0])) == 1
    figure = draw(trial(0, None, {"x": 1}))
    assert [text.get_text() for text in figure.axes[0].texts] == ["No trial logged acc."]


def test_a_parameter_that_a_trial_lacks_and_odd_names_are_drawn_too(draw: Draw) -> None:
    (axes,) = draw(trial(0, 0.5, {"$x_1$": "$a", "y": 1}), trial(1, 0.6, {"$x_1$": "b"})).axes
    assert [text.get_text() for text in axes.get_xticklabels()] == ["$x_1$", "y", "best acc"]
    assert len(lines(axes)) == 2
    assert set(ticks(axes, 1)) == {"", "1"}
