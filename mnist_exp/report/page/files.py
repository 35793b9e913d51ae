"""The files beside a record that a page also shows: the journal, the figures and the logs."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mnist_exp.records import CONFIG_NAME, INVALID_JSON, Record
from mnist_exp.report.format import pairs, printable
from mnist_exp.report.page.curves import Curve, saved_curves
from mnist_exp.status import JobStatus
from mnist_exp.sweeps.journal import JOURNAL_NAME, Entry, read_entries

#: Maximum number of failed trials whose logs the page quotes. Each log makes the page larger.
_MAX_LOGS = 100
#: Maximum number of lines that the page quotes from the end of a log.
_LINES = 8
#: Maximum number of characters of a quoted line.
_LINE_LENGTH = 300
#: Number of bytes at the end of a log that contain the quoted lines.
_END_BYTES = 4096


@dataclass(frozen=True)
class RunFiles:
    """What the files beside a record contain. A part is empty if its file is missing.

    Attributes:
        journal: The entries of the sweep's journal.
        curves: For a training run: metric -> curve. For a sweep without a journal: name of a trial
            -> curve of the primary metric.
        figures: Name of a figure -> content of its PNG file.
        log_tails: Name of a failed trial -> the last lines of its log.
        data: The settings of the data.
    """

    journal: Sequence[Entry] = ()
    curves: Mapping[str, Curve] = field(default_factory=dict)
    figures: Mapping[str, bytes] = field(default_factory=dict)
    log_tails: Mapping[str, Sequence[str]] = field(default_factory=dict)
    data: str = ""


#: The files of a record without files.
NO_FILES = RunFiles()


class JournalReader:
    """A reader of a sweep's journal, which grows while the sweep runs.

    Each call of `read` parses only the lines that were added since the last call.
    """

    def __init__(self) -> None:
        self._entries: list[Entry] = []
        self._offset = 0

    def read(self, record: Record) -> Sequence[Entry]:
        """Return all entries of the journal; none if the record has no journal here.

        Raises:
            ValueError: The journal is damaged.
        """
        path = Path(record.paths.get("folder", "")) / JOURNAL_NAME
        if not path.is_file():
            return ()
        with path.open("rb") as file:
            file.seek(self._offset)
            added = file.read()
        # The last line may be incomplete.
        complete = added[: added.rfind(b"\n") + 1]
        self._entries += read_entries(complete.decode(errors="replace"))
        self._offset += len(complete)
        return self._entries


def run_files(record: Record, folder: Path, journal: JournalReader) -> RunFiles:
    """Return the content of the files of a run.

    Args:
        record: The record of a training run or a sweep.
        folder: The run folder, which contains `run.json`.
        journal: The reader of the sweep's journal.

    Raises:
        OSError, ValueError: The journal is damaged, or a file cannot be read.
    """
    curves = saved_curves(folder)
    return RunFiles(
        journal=journal.read(record),
        curves=curves,
        figures=_figures(record, has_curves=bool(curves)),
        log_tails=_log_tails(record.trials),
        data=_data(folder),
    )


def _figures(record: Record, *, has_curves: bool) -> dict[str, bytes]:
    """Return the figures of the best trial or of the run. The script of the page draws the rest."""
    names = [
        "confusion_matrix",
        "best_learning_curves",
        *([] if has_curves else ["learning_curves"]),
    ]
    paths = {name: Path(record.paths[name]) for name in names if name in record.paths}
    return {name: path.read_bytes() for name, path in paths.items() if path.is_file()}


def _data(folder: Path) -> str:
    try:
        data = json.loads((folder / CONFIG_NAME).read_text(encoding="utf-8"))["data"]
        return pairs({name: value for name, value in data.items() if value is not None})
    except (OSError, LookupError, TypeError, AttributeError, *INVALID_JSON):
        return ""


def _log_tails(trials: Sequence[Mapping[str, Any]]) -> dict[str, Sequence[str]]:
    failed = [
        trial
        for trial in trials
        if trial.get("status") == JobStatus.FAILED.value and trial.get("log")
    ]
    tails = {str(trial.get("name")): _tail(Path(str(trial["log"]))) for trial in failed[:_MAX_LOGS]}
    return {name: tail for name, tail in tails.items() if tail}


def _tail(path: Path) -> Sequence[str]:
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - _END_BYTES))
            text = file.read().decode(errors="replace")
    except OSError:
        return ()
    lines = map(printable, text.rstrip().split("\n")[-_LINES:])
    return [line[:_LINE_LENGTH] for line in lines if line]
