"""The terminal: results on standard output, progress on standard error."""

import shlex
from collections.abc import Sequence

from mnist_exp.config import Stage
from mnist_exp.records import Record
from mnist_exp.report.comparison import print_comparison
from mnist_exp.report.consoles import print_line, progress_console, results_console
from mnist_exp.report.live import LiveObserver
from mnist_exp.report.summary import print_overview, print_summary
from mnist_exp.report.words import plain

__all__ = ["RichDisplay"]

#: Overrides that the command after this one needs too.
CARRIED = (
    *("outputs_dir=", "workspace=", "workspace.", "profile="),
    *("registration=", "registration.", "endpoint=", "endpoint."),
)


class RichDisplay:
    """Shows stages in a terminal, or as plain lines in a pipe or log.

    Args:
        overrides: What this command was given; the next one is proposed with what it needs.
        flags: Hydra's own flags that it was given, for every proposal.
    """

    def __init__(self, overrides: Sequence[str] = (), flags: Sequence[str] = ()) -> None:
        self._overrides = overrides
        self._flags = flags
        self._carried = [*flags, *(text for text in overrides if text.startswith(CARRIED))]
        self._results = results_console()
        self._progress = progress_console()
        self._records: list[Record] = []
        self._is_all = False

    def stage_started(self, record: Record) -> None:
        """Say what begins."""
        self._is_all = self._is_all or record.stage is Stage.all
        print_line(self._progress, f"{record.stage.value}  {record.name}", "bold")

    def watching(self, total_events: int | None, primary_metric: str) -> LiveObserver:
        """Return an observer that shows a job while it is entered."""
        return LiveObserver(self._progress, primary_metric, total_events)

    def message(self, text: str) -> None:
        """Print a line of progress."""
        print_line(self._progress, f"  {text}")

    def result(self, text: str) -> None:
        """Print a line of what was asked for."""
        indent = " " * (len(text) - len(text.lstrip(" ")))
        print_line(self._results, indent + plain(text))

    def warning(self, text: str) -> None:
        """Print a warning."""
        print_line(self._progress, f"warning: {text}", "yellow")

    def resumable(self, record: Record) -> None:
        """Say how to go on with a job that has not been completed."""
        given = [text for text in self._overrides if not text.startswith(("stage=", "run="))]
        words = [
            "mnist-exp",
            *self._flags,
            f"stage={record.stage.value}",
            f"run={record.name}",
            *given,
        ]
        self.message(f"go on with it: {shlex.join(words)}")

    def stage_ended(self, record: Record) -> None:
        """Print a stage's summary; of `stage=all`, a table of its stages first."""
        if record.stage is Stage.all:
            print_overview(self._records, self._results)
        self._records.append(record)
        print_summary(record, self._results, None if self._is_all else self._carried)

    def variant(self, number: int, changes: Sequence[str]) -> None:
        """Say which variant of a multirun begins."""
        print_line(self._progress, f"\nvariant {number}: {' '.join(changes)}", "bold")

    def comparison(self, variants: Sequence[tuple[str, Record]]) -> None:
        """Print the table of a multirun."""
        print_comparison(
            [record for _, record in variants], self._results, [text for text, _ in variants]
        )
