"""The terminal: results on standard output, progress on standard error."""

import shlex
from collections.abc import Sequence
from contextlib import suppress

from mnist_exp.cli.arguments import override_key
from mnist_exp.config import Stage
from mnist_exp.lazy import figures, insights
from mnist_exp.records import Record
from mnist_exp.report.comparison import print_comparison
from mnist_exp.report.format import plain
from mnist_exp.report.layout import print_line, progress_console, results_console
from mnist_exp.report.live import LiveObserver
from mnist_exp.report.summary import print_overview, print_summary
from mnist_exp.status import JobStatus

#: Keys, and groups with their keys, that the stages after this one need too.
_CARRIED = ("outputs_dir", "profile", "workspace", "data", "registration", "endpoint")
#: What is said once, not again in the next command.
_ONCE = (
    "stage",
    "run",
    "resume",
    "endpoint.regenerate_key",
    "endpoint.traffic",
    "endpoint.mirror_traffic",
    "endpoint.invoke_deployment",
)


class RichDisplay:
    """Shows stages in a terminal, or as plain lines in a pipe or log.

    Args:
        overrides: What this command was given; the next one is proposed with what it needs.
        flags: Hydra's own flags that it was given, for every proposal.
    """

    def __init__(self, overrides: Sequence[str] = (), flags: Sequence[str] = ()) -> None:
        self._flags = flags
        self._given = [text for text in overrides if not _is_said_once(text)]
        self._results = results_console()
        self._progress = progress_console()
        self._records: list[Record] = []
        self._is_all = False

    def stage_started(self, record: Record) -> None:
        """Say what begins."""
        self._is_all = self._is_all or record.stage is Stage.all
        print_line(self._progress, f"{record.stage.value}  {record.name}", "bold")

    def watching(
        self, total_events: int | None, primary_metric: str, trials: int | None = None
    ) -> LiveObserver:
        """Return an observer that shows a job while it is entered."""
        observer = _Preparing(self._progress, primary_metric, total_events, trials)
        observer.is_sweep = trials is not None
        return observer

    def message(self, text: str) -> None:
        """Print a line of progress."""
        print_line(self._progress, f"  {text}")

    def output(self, text: str) -> None:
        """Print a line of what was asked for."""
        indent = " " * (len(text) - len(text.lstrip(" ")))
        print_line(self._results, indent + plain(text))

    def warning(self, text: str) -> None:
        """Print a warning."""
        print_line(self._progress, f"warning: {text}", "yellow")

    def resume_hint(self, record: Record) -> None:
        """Print the command that resumes an unfinished job."""
        # The job keeps its config: only the outputs folder must be repeated.
        kept = [text for text in self._given if override_key(text) == "outputs_dir"]
        words = ["mnist-exp", f"stage={record.stage.value}", f"run={record.name}", *kept]
        condition = "after fixing the fault, " if record.status is JobStatus.FAILED else ""
        self.message(f"{condition}resume it with: {shlex.join(words)}")

    def stage_ended(self, record: Record) -> None:
        """Print a stage's summary; of `stage=all`, a table of its stages first."""
        if record.stage is Stage.all:
            print_overview(self._records, self._results)
        self._records.append(record)
        carried = None if self._is_all else self._carried(record)
        print_summary(record, self._results, carried, self._flags)

    def _carried(self, record: Record) -> list[str]:
        """Return what the stage after this one needs; training and sweeps need all there is."""
        if record.stage is Stage.compute:
            return self._given
        return [text for text in self._given if override_key(text).partition(".")[0] in _CARRIED]

    def variant(self, number: int, changes: Sequence[str]) -> None:
        """Say which variant of a multirun begins."""
        print_line(self._progress, f"\nvariant {number}: {' '.join(changes)}", "bold")

    def comparison(self, variants: Sequence[tuple[str, Record]]) -> None:
        """Print the table of a multirun."""
        print_comparison(
            [record for _, record in variants], self._results, [text for text, _ in variants]
        )


class _Preparing(LiveObserver):
    """Imports, while a job starts, what its results will be told with: that takes seconds."""

    is_sweep = False

    def idle(self) -> None:
        """What cannot be imported is told of when it is needed."""
        with suppress(Exception):
            figures()
            if self.is_sweep:
                insights()


def _is_said_once(override: str) -> bool:
    key = override_key(override)
    # A mapping may be given name by name.
    return any(key == once or key.startswith(f"{once}.") for once in _ONCE)
