from collections.abc import Sequence

import pytest

from mnist_exp.config import Stage
from mnist_exp.records import Record
from mnist_exp.report.comparison import comparison_table, print_comparison
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
    print_comparison(records, console, variants)
    return CODES.sub("", written(console))


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
    assert lines[-1] == "  2 Failed: exit code 1: [boom]"


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
