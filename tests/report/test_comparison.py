from collections.abc import Sequence
from typing import Any

import pytest

from mnist_exp.config import Stage
from mnist_exp.records import Record
from mnist_exp.report.comparison import (
    ComparedVariant,
    comparison_table,
    print_comparison,
    seed_groups,
)
from mnist_exp.report.layout import print_table
from mnist_exp.status import JobStatus
from tests.support.sample_results import CODES, record, sweep_record, terminal, written


def variants() -> list[Record]:
    made = [
        record(
            name=f"train_{neurons}",
            parameters={"first_layer_neurons": neurons, "batch_size": 64, "learning_rate": 0.01},
            metrics={"loss": 0.1, "training_acc": 0.99, "validation_acc": 0.95, "test_acc": acc},
        )
        for neurons, acc in ((64, 0.91), (256, 0.94))
    ]
    failed = record(status=JobStatus.FAILED, why="exit code 1: [boom]", duration_s=None)
    return [*made, failed]


def compared(records: Sequence[Record], variants: Sequence[str] = (), width: int = 80) -> str:
    console = terminal(width)
    print_table(console, comparison_table(records, variants, width))
    return CODES.sub("", written(console))


def printed(*variants: tuple[str, Record], width: int = 80) -> str:
    console = terminal(width)
    print_comparison(numbered(*variants), console)
    return CODES.sub("", written(console))


def numbered(*variants: tuple[str, Record]) -> list[ComparedVariant]:
    return [
        ComparedVariant(number, ["stage=train", *overrides.split()], made)
        for number, (overrides, made) in enumerate(variants)
    ]


def scored(seed: int, accuracy: float | None, **changes: Any) -> Record:
    return record(seed=seed, metrics={"test_acc": accuracy, "loss": 1.0}, **changes)


def test_only_what_differs_has_a_column():
    text = compared(variants())
    assert "neurons" in text
    assert "batch" not in text
    assert "learning" not in text


def test_each_variant_is_a_row_and_a_failed_one_says_why():
    lines = compared(variants()).splitlines()
    rows = [line.split() for line in lines if line[:2] in ("0 ", "1 ", "2 ")]
    assert rows[0][:4] == ["0", "64", "Completed", "0.91"]
    assert rows[1][:4] == ["1", "256", "Completed", "0.94"]
    assert rows[2][:3] == ["2", "Failed", "-"]
    overrides = ("model=small", "model=tutorial", "model=wide")
    text = printed(*zip(overrides, variants(), strict=True))
    assert text.splitlines()[-1] == "  2 Failed: exit code 1: [boom]"
    assert "over seeds" not in text


def test_the_reason_of_several_variants_is_one_line():
    boom, pop = (record(status=JobStatus.FAILED, why=why) for why in ("boom", "pop"))
    text = printed(("seed=1", boom), ("seed=2", pop), ("seed=3", boom))
    assert text.splitlines()[-2:] == ["  0, 2 Failed: boom", "  1 Failed: pop"]


def test_metrics_of_the_end_come_first_where_there_is_little_room():
    narrow, wide = compared(variants(), width=50), compared(variants(), width=120)
    assert "test_" in narrow
    assert "loss" not in narrow
    assert "loss" in wide


def test_variants_can_be_named_by_what_was_asked_for():
    text = compared(variants(), ["model=small", "model=tutorial", "model=[wide]"])
    assert "variant" in text
    assert "model=[wide]" in text
    assert "neurons" not in text


def test_the_mean_over_seeds_is_of_completed_variants_that_differ_only_in_the_seed():
    made = numbered(
        ("model=small seed=1", scored(1, 0.9)),
        ("model=small seed=2", scored(2, 0.94)),
        ("model=small seed=3", scored(3, 0.1, status=JobStatus.FAILED)),
        ("model=wide seed=1", scored(1, 0.8)),
        ("model=tutorial seed=1", scored(1, None)),
        ("model=tutorial seed=2", scored(2, 0.8)),
    )
    small, tutorial = seed_groups(made)
    assert (small.overrides, small.n) == (("stage=train", "model=small"), 2)
    assert str(small.metrics["test_acc"]) == "0.92 ± 0.028"
    # A value that is not finite has no mean.
    assert (tutorial.n, list(tutorial.metrics)) == (2, ["loss"])


@pytest.mark.parametrize("width", [60, 80, 120])
def test_the_mean_over_seeds_is_a_table_that_fits_the_width(width: int):
    text = printed(
        *((f"seed={seed}", scored(seed, 0.9 + seed / 100)) for seed in (1, 2, 3)), width=width
    )
    (row,) = (line for line in text.splitlines() if line.startswith("all variants"))
    assert row.split()[2:6] == ["3", "0.92", "±", "0.01"]
    assert max(map(len, text.splitlines())) <= width


def test_sweeps_are_compared_by_their_best_value():
    first = sweep_record(parameters={"sampling": "random"})
    second = sweep_record(parameters={"sampling": "sobol"})
    text = compared([first, second])
    assert "best" in text
    assert "sobol" in text
    assert f"{first.best['value']:.4g}" in text


def test_stages_differ_too():
    text = compared([record(), record(Stage.compute)])
    assert "train" in text
    assert "compute" in text


def test_equal_variants_and_none_at_all_make_a_table():
    assert compared([record(), record()]).count("Completed") == 2
    assert comparison_table([]).row_count == 0


@pytest.mark.parametrize("width", [60, 80, 120])
def test_many_parameters_fit_the_width(width: int):
    records = [
        record(parameters={f"parameter_number_{i}": i * k for i in range(12)}, metrics={"a": 1.0})
        for k in range(3)
    ]
    assert max(map(len, compared(records, width=width).splitlines())) <= width
