"""The table that compares the variants of a multirun.

A multirun is a command with the flag `-m`. The command runs the stage once for each variant, which
is a combination of overrides.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from mnist_exp.records import Record
from mnist_exp.report.format import duration, number, plain
from mnist_exp.report.layout import (
    ParameterColumns,
    folded,
    new_table,
    omitted_text,
    print_line,
    print_table,
    styled_status,
    table_width,
)
from mnist_exp.status import JobStatus

#: Width of the column of one metric, in characters.
_METRIC_WIDTH = 9
#: Total width of the columns for index, status and time, in characters.
_FIXED_WIDTH = 30
_MAX_METRICS = 6
#: Width of a column with the mean and the standard deviation of a metric, in characters.
_OVER_SEEDS_WIDTH = 18
#: Prefixes of metric names. If equally many variants logged two metrics, this order decides which
#: column comes first.
_FIRST = ("best", "test", "val")


@dataclass(frozen=True)
class ComparedVariant:
    """A variant of a multirun that has ended, with its number and its overrides.

    Attributes:
        folder: The run folder of the variant; None if it is unknown.
    """

    number: int
    overrides: Sequence[str]
    record: Record
    folder: Path | None = None


@dataclass(frozen=True)
class MetricOverSeeds:
    """The mean and the standard deviation of a metric, for several seeds.

    Attributes:
        sd: The sample standard deviation, with n - 1 in the denominator.
    """

    mean: float
    sd: float

    def __str__(self) -> str:
        return f"{number(self.mean)} ± {self.sd:.2g}"


@dataclass(frozen=True)
class SeedGroup:
    """The completed variants that differ only in `seed`.

    Attributes:
        overrides: The overrides without `seed`.
        n: Number of variants.
        metrics: Metric name -> mean and standard deviation, for metrics that all variants logged.
    """

    overrides: Sequence[str]
    n: int
    metrics: Mapping[str, MetricOverSeeds] = field(default_factory=dict)


def seed_groups(variants: Sequence[ComparedVariant]) -> list[SeedGroup]:
    """Return the groups with at least two seeds, in the order of the variants."""
    groups: dict[tuple[str, ...], dict[int | None, Mapping[str, Any]]] = {}
    for variant in variants:
        others = tuple(text for text in variant.overrides if not text.startswith("seed="))
        if variant.record.status is JobStatus.COMPLETED:
            groups.setdefault(others, {})[variant.record.seed] = values_of(variant.record)
    return [
        SeedGroup(others, len(of_seeds), _over_seeds(list(of_seeds.values())))
        for others, of_seeds in groups.items()
        if len(of_seeds) > 1
    ]


def _over_seeds(values: Sequence[Mapping[str, Any]]) -> dict[str, MetricOverSeeds]:
    known: dict[str, list[Any]] = {name: [each.get(name) for each in values] for name in values[0]}
    # A metric is null if the script logged NaN or infinity.
    finite = {name: numbers for name, numbers in known.items() if None not in numbers}
    return {
        name: MetricOverSeeds(mean(numbers), stdev(numbers)) for name, numbers in finite.items()
    }


def print_comparison(variants: Sequence[ComparedVariant], console: Console) -> None:
    """Print the table of a multirun, the mean over seeds, and why variants failed."""
    records = [variant.record for variant in variants]
    labels = variant_labels([variant.overrides for variant in variants])
    console.print()
    width = table_width(console)
    print_table(console, comparison_table(records, labels, width))
    for (status, why), numbers in _reasons(variants).items():
        print_line(console, f"  {', '.join(map(str, numbers))} {status}: {plain(why)}")
    if groups := seed_groups(variants):
        console.print()
        print_table(console, _seeds_table(groups, _metrics(records), width))


def _reasons(variants: Sequence[ComparedVariant]) -> dict[tuple[str, str], list[int]]:
    """Return (status, reason) -> the numbers of the variants, for variants with a reason."""
    numbers: dict[tuple[str, str], list[int]] = {}
    for variant in variants:
        if why := variant.record.why:
            numbers.setdefault((variant.record.status.value, why), []).append(variant.number)
    return numbers


def variant_labels(overrides: Sequence[Sequence[str]]) -> list[str]:
    """Return the overrides of each variant, without the overrides that all variants share.

    A single variant gets all its overrides except the stage.
    """
    common = set.intersection(*map(set, overrides))
    if len(overrides) == 1:
        common = {override for override in common if override.startswith("stage=")}
    return [" ".join(text for text in texts if text not in common) for texts in overrides]


def _seeds_table(groups: Sequence[SeedGroup], metrics: Sequence[str], width: int) -> Table:
    """Return a table with one row for each group: its overrides, n, and mean ± sd of metrics."""
    shown = [name for name in metrics if any(name in group.metrics for group in groups)]
    shown = shown[: max(1, (width - _FIXED_WIDTH) // 2 // _OVER_SEEDS_WIDTH)]
    table = new_table()
    table.add_column("over seeds", ratio=1, overflow="fold")
    table.add_column("n", justify="right", no_wrap=True)
    for name in shown:
        table.add_column(f"{name}, mean ± sd", justify="right")
    labels = variant_labels([group.overrides for group in groups])
    for label, group in zip(labels, groups, strict=True):
        cells = (str(group.metrics.get(name, "-")) for name in shown)
        table.add_row(Text(plain(label) or "all variants"), str(group.n), *cells)
    return table


def comparison_table(
    records: Sequence[Record], variants: Sequence[str] = (), width: int = 80
) -> Table:
    """Return a table with one row per variant: its parameters, status, metrics and duration.

    Args:
        records: One record per variant, including failed variants.
        variants: The overrides of each variant, e.g. `model=small`. If empty, the table shows the
            parameters that differ between variants.
        width: Number of characters in a line.
    """
    differing = [{"": ""} for _ in records] if variants else _differing(records)
    metrics = _metrics(records)[: _room_for_metrics(width)]
    parameters = ParameterColumns(differing, width - _FIXED_WIDTH - _METRIC_WIDTH * len(metrics))
    table = new_table()
    table.add_column("", justify="right")
    if variants:
        table.add_column("variant", ratio=1, overflow="fold")
    else:
        parameters.add_to(table)
    table.add_column("status", no_wrap=True)
    for name in metrics:
        table.add_column(folded(name, _METRIC_WIDTH), justify="right", no_wrap=True)
    table.add_column("time", justify="right", no_wrap=True)
    for index, record in enumerate(records):
        what = [Text(plain(variants[index]))] if variants else parameters.cells(differing[index])
        table.add_row(
            str(index),
            *what,
            styled_status(record.status.value),
            *(number(values_of(record).get(name)) for name in metrics),
            duration(record.duration_s),
        )
    if parameters.omitted:
        table.caption = omitted_text(parameters.omitted)
    return table


def _differing(records: Sequence[Record]) -> list[Mapping[str, Any]]:
    rows = [{"stage": record.stage.value, **record.parameters} for record in records]
    names = list(dict.fromkeys(name for row in rows for name in row))
    # Ignore variants without the parameter: a variant that failed early has no parameters.
    known = {name: [row[name] for row in rows if name in row] for name in names}
    differ = [name for name in names if any(value != known[name][0] for value in known[name])]
    return [{name: row[name] for name in differ if name in row} for row in rows]


def _metrics(records: Sequence[Record]) -> list[str]:
    """Return the metric names, in the order of their columns.

    Sort the metrics by the number of variants that logged each metric, highest first. For equal
    numbers, use the order of `_FIRST`.
    """
    counts = Counter(name for record in records for name in values_of(record))

    def rank(name: str) -> tuple[int, int]:
        places = [place for place, start in enumerate(_FIRST) if name.startswith(start)]
        return -counts[name], min(places, default=len(_FIRST))

    return sorted(counts, key=rank)


def values_of(record: Record) -> dict[str, Any]:
    """Return the metrics of a record. For a sweep, `best` is the best value."""
    best = {"best": record.best.get("value")} if record.best else {}
    return {**best, **record.metrics}


def _room_for_metrics(width: int) -> int:
    return max(1, min(_MAX_METRICS, (width - _FIXED_WIDTH) // 2 // _METRIC_WIDTH))
