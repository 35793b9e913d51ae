"""Tables of several runs: the past runs of an outputs folder, and a comparison."""

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, overload

import pandas as pd

from mnist_exp.api.handles import Run
from mnist_exp.report.html import Console, html_of, text_of
from mnist_exp.report.run_table import print_runs, print_side_by_side


class Runs(Sequence[Run]):
    """Past runs, oldest first. A notebook shows the runs as a table.

    Example:
        >>> runs = mnist_exp.runs(status="Completed")
        >>> runs[-1].metrics
        >>> runs.to_frame()
    """

    def __init__(self, runs: Sequence[Run], metric: str | None = None) -> None:
        self._runs = list(runs)
        self._metric = metric

    @overload
    def __getitem__(self, index: int) -> Run: ...

    @overload
    def __getitem__(self, index: slice) -> "Runs": ...

    def __getitem__(self, index: int | slice) -> "Run | Runs":
        if isinstance(index, slice):
            return Runs(self._runs[index], self._metric)
        return self._runs[index]

    def __len__(self) -> int:
        return len(self._runs)

    def to_frame(self) -> pd.DataFrame:
        """Return a row for each run: its state, its metrics, its parameters, then all other facts.

        The columns of metrics and parameters begin with `metrics_` and `params_`.
        """
        rows = [_row(run) for run in self._runs]
        names = sorted(dict.fromkeys(name for row in rows for name in row), key=_place)
        return pd.DataFrame({name: _column([row.get(name) for row in rows]) for name in names})

    def __repr__(self) -> str:
        return text_of(self._print)

    def _repr_html_(self) -> str:
        return html_of(self._print)

    def _print(self, console: Console) -> None:
        if self._runs:
            print_runs([run.past for run in self._runs], console, metric=self._metric)
        else:
            console.print("no runs")


class Comparison:
    """Runs side by side. A notebook shows a table and the learning curves.

    Attributes:
        figure: The file with the learning curves of all runs; None if no run has curves.
    """

    def __init__(self, runs: Sequence[Run], figure: Path | None) -> None:
        self._runs = runs
        self.figure = figure

    def to_frame(self) -> pd.DataFrame:
        """Return a column for each run, and a row for each parameter and metric."""
        return Runs(self._runs).to_frame().set_index("name").T

    def __repr__(self) -> str:
        return text_of(self._print)

    def _repr_html_(self) -> str:
        image = ""
        if self.figure is not None:
            content = base64.b64encode(self.figure.read_bytes()).decode()
            image = f'<img src="data:image/png;base64,{content}" style="max-width:100%">'
        return html_of(self._print) + image

    def _print(self, console: Console) -> None:
        print_side_by_side([run.past for run in self._runs], console)


def _place(name: str) -> int:
    """Return the place of a column among the groups of columns."""
    if name in ("name", "stage", "status"):
        return 0
    return {"metrics": 1, "params": 2}.get(name.partition("_")[0], 3)


def _column(values: Sequence[Any]) -> Any:
    """Return the values of a column, so that pandas keeps integers beside a missing value."""
    known = [value for value in values if value is not None]
    is_integer = known and all(type(value) is int for value in known)
    # Otherwise pandas makes 512 a float, because NaN is a float.
    return pd.array(values, dtype="Int64") if is_integer and len(known) < len(values) else values


def _row(run: Run) -> Mapping[str, Any]:
    content = dict(run.past.content())
    metrics, parameters = content.pop("metrics"), content.pop("parameters")
    return {
        **content,
        **{f"metrics_{name}": value for name, value in metrics.items()},
        **{f"params_{name}": value for name, value in parameters.items()},
    }
