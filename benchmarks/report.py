"""Functions that print results as a table, and save results as JSON."""

import json
import os
import platform
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

#: The folder for results, relative to the current folder.
_RESULTS = Path("benchmarks", "results")
_PACKAGES = ("tensorflow", "keras", "numpy", "mlflow", "torch", "jax", "optuna", "ray")


@dataclass(frozen=True)
class Spread:
    """The median, the lowest and the highest of several durations, in seconds."""

    median: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.median:.2f} ({self.low:.2f}-{self.high:.2f})"


def spread(values: Sequence[float]) -> Spread:
    return Spread(statistics.median(values), min(values), max(values))


def environment() -> dict[str, Any]:
    """Return the facts about the machine that affect the results."""
    return {
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "machine": platform.machine(),
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)),
        "versions": {name: found for name in _PACKAGES if (found := _version(name))},
    }


def save(name: str, results: dict[str, Any]) -> Path:
    """Write results and environment to `benchmarks/results/<name>-<time>.json`; return the path."""
    _RESULTS.mkdir(parents=True, exist_ok=True)
    stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    path = _RESULTS / f"{name}-{stamp}.json"
    content = {"benchmark": name, "environment": environment(), **results}
    path.write_text(json.dumps(content, indent=2, default=asdict) + "\n", encoding="utf-8")
    return path


def show(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    table = Table(title=title, title_justify="left", title_style="bold")
    for number, column in enumerate(columns):
        table.add_column(column, justify="right" if number else "left")
    for row in rows:
        table.add_row(*row)
    Console().print(table)


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(": ")[1] for line in lines if line.startswith("model name")), "")
