"""The data of the page of a multirun, in which each variant is like a trial of a sweep."""

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from mnist_exp.records import INVALID_JSON, Record
from mnist_exp.report.comparison import ComparedVariant, seed_groups, values_of, variant_labels
from mnist_exp.report.page.content import facts, finite
from mnist_exp.report.page.curves import Curve, saved_curves
from mnist_exp.status import JobStatus


def multirun_content(
    variants: Sequence[ComparedVariant], name: str, *, is_running: bool = False
) -> dict[str, Any]:
    """Return the data that the script of the page reads.

    Args:
        variants: The variants that have records, at least one.
        name: The name of the multirun.
        is_running: Whether some variants have not ended.
    """
    records = [variant.record for variant in variants]
    groups = seed_groups(variants)
    texts = variant_labels([group.overrides for group in groups]) if groups else []
    metric, goal = _common(records, "primary_metric"), _common(records, "goal")
    common = set.intersection(*(set(variant.overrides) for variant in variants))
    completed = sum(record.status is JobStatus.COMPLETED for record in records)
    content = {
        "stage": "multirun",
        "noun": "variant",
        "name": name,
        "status": f"{completed} of {len(records)} variants Completed",
        "is_running": is_running,
        "why": "",
        "metric": metric,
        "goal": goal,
        "best": None,
        "metrics": {},
        "parameters": {},
        "insights": {},
        "trials": [_entry(variant, metric, common) for variant in variants],
        "seeds": [
            {**asdict(group), "label": text or "all variants"}
            for group, text in zip(groups, texts, strict=True)
        ],
        "scales": {"seed": "category"},
        "curves": {},
        "commands": {},
        "facts": _facts(variants, common),
        "warnings": [],
        "log_tail": [],
        "journal": [],
    }
    return dict(finite(content))


def _common(records: Sequence[Record], field: str) -> str:
    """Return the value of a field if all variants have the same value; otherwise an empty text."""
    values = {str(getattr(record, field)) for record in records if getattr(record, field)}
    return values.pop() if len(values) == 1 else ""


def _entry(variant: ComparedVariant, metric: str, common: set[str]) -> dict[str, Any]:
    record = variant.record
    curve = _curve(variant, metric)
    best = record.best.get("value") if record.best else record.metrics.get(metric)
    return {
        "name": record.name or f"variant_{variant.number}",
        "index": variant.number,
        "status": record.status.value,
        "parameters": dict(_change(text) for text in variant.overrides if text not in common),
        "best": best,
        "last": record.metrics.get(metric),
        "events": len(curve),
        "cut": None,
        "why": record.why,
        "log_tail": list(record.log_tail),
        "duration_s": record.duration_s,
        "metrics": {key: value for key, value in values_of(record).items() if key != metric},
        "curve": curve,
        "span": None,
        "command": shlex.join(["mnist-exp", *record.flags, *variant.overrides]),
    }


def _curve(variant: ComparedVariant, metric: str) -> Curve:
    return saved_curves(variant.folder).get(metric, ()) if variant.folder else ()


def _change(override: str) -> tuple[str, Any]:
    """Return the key and the value of an override. A number is a number, any other value a text."""
    key, _, text = override.lstrip("+~").partition("=")
    try:
        value = json.loads(text)
    except INVALID_JSON:
        value = text
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return key, value if is_number else text


def _facts(variants: Sequence[ComparedVariant], common: set[str]) -> list[tuple[str, str]]:
    """Return the facts of the first variant that has facts, with the overrides of all variants."""
    known = [variant for variant in variants if variant.record.versions] or variants
    shared: Mapping[str, Any] = {
        "overrides": [text for text in known[0].overrides if text in common],
        "duration_s": None,
        "seed": known[0].record.seed if len({each.record.seed for each in known}) == 1 else None,
    }
    return facts(known[0].record.with_changes(**shared))
