"""The files that compare the variants of a multirun, for programs and for spreadsheets."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mnist_exp.records import write_json, write_text
from mnist_exp.report.comparison import ComparedVariant, SeedGroup, seed_groups, values_of


def save_comparison(variants: Sequence[ComparedVariant], folder: Path) -> list[Path]:
    """Write the variants to `comparison.json` and `comparison.csv`, and return the paths.

    The JSON file also has the mean and the standard deviation over seeds. If variants differ only
    in `seed`, `comparison_over_seeds.csv` has these values.
    """
    paths = [folder / "comparison.json", folder / "comparison.csv"]
    groups = seed_groups(variants)
    content = {
        "variants": [_content(variant) for variant in variants],
        "over_seeds": [asdict(group) for group in groups],
    }
    write_json(paths[0], content)
    write_text(paths[1], _csv([_row(variant) for variant in variants]))
    if groups:
        paths.append(folder / "comparison_over_seeds.csv")
        write_text(paths[-1], _csv([_row_over_seeds(group) for group in groups]))
    return paths


def _content(variant: ComparedVariant) -> dict[str, Any]:
    record = variant.record
    return {
        "number": variant.number,
        "overrides": list(variant.overrides),
        "name": record.name,
        "stage": record.stage.value,
        "status": record.status.value,
        "seed": record.seed,
        "parameters": dict(record.parameters),
        "metrics": values_of(record),
        "duration_s": record.duration_s,
        "why": record.why,
        "folder": record.paths.get("folder"),
    }


def _row(variant: ComparedVariant) -> dict[str, Any]:
    """Return the cells of a variant: its parameters and its metrics each have a column."""
    content = _content(variant)
    parameters, metrics = content.pop("parameters"), content.pop("metrics")
    return {**content, "overrides": " ".join(variant.overrides), **parameters, **metrics}


def _row_over_seeds(group: SeedGroup) -> dict[str, Any]:
    """Return the cells of a group: each metric has a column for its mean and one for its sd."""
    values: dict[str, float] = {}
    for name, over_seeds in group.metrics.items():
        values |= {f"{name} mean": over_seeds.mean, f"{name} sd": over_seeds.sd}
    return {"overrides": " ".join(group.overrides), "n": group.n, **values}


def _csv(rows: Sequence[Mapping[str, Any]]) -> str:
    names = dict.fromkeys(name for row in rows for name in row)
    file = io.StringIO()
    writer = csv.DictWriter(file, list(names), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return file.getvalue()
