"""report.html: a page with the results of a training run or a sweep, in one file.

The page loads nothing from a network. The same record and journal give the same bytes.
"""

import base64
import hashlib
import html
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from string import Template
from typing import Any

from mnist_exp.errors import MnistExpError
from mnist_exp.records import REPORT_NAME, Record, write_text
from mnist_exp.report.page.content import page_content
from mnist_exp.sweeps.journal import JOURNAL_NAME, Entry, read_entries

_HERE = Path(__file__).parent
#: The parts of the script, in their order in the page.
_SCRIPTS = ("trials.js", "charts.js", "table.js", "page.js")


def write_report(record: Record, folder: Path) -> Path:
    """Write the page of a record to the run folder, and return the path of the page.

    Args:
        record: The record of a training run or a sweep.
        folder: The run folder, which contains `run.json`.

    Raises:
        MnistExpError: The sweep's journal is damaged, or a file cannot be read or written.
    """
    path = folder / REPORT_NAME
    try:
        write_text(path, report_page(record, _journal(record), _figures(record)))
    except (OSError, ValueError) as error:
        raise MnistExpError(f"{path}: the report cannot be written ({error})") from error
    return path


def report_page(
    record: Record, journal: Sequence[Entry] = (), figures: Mapping[str, bytes] | None = None
) -> str:
    """Return the page of a record.

    Args:
        record: The record of a training run or a sweep.
        journal: The entries of the sweep's journal; empty if there is no journal.
        figures: Name of a figure -> content of its PNG file.
    """
    style, script = _text("page.css"), "".join(_text(name) for name in _SCRIPTS)
    return Template(_text("page.html")).substitute(
        title=html.escape(f"{record.stage.value} {record.name}"),
        policy=(
            f"default-src 'none'; img-src data:; style-src '{_hash(style)}'; "
            f"script-src '{_hash(script)}'"
        ),
        style=style,
        script=script,
        content=_embedded(page_content(record, journal)),
        figures="".join(_figure(name, png) for name, png in sorted((figures or {}).items())),
    )


def _text(name: str) -> str:
    return (_HERE / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return f"sha256-{digest}"


def _embedded(content: Mapping[str, Any]) -> str:
    """Return JSON that cannot end the script element that contains the JSON."""
    text = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c")


def _figure(name: str, png: bytes) -> str:
    data = base64.b64encode(png).decode()
    title = html.escape(name.replace("_", " "))
    return (
        f'<figure><img alt="{title}" src="data:image/png;base64,{data}">'
        f"<figcaption>{title}</figcaption></figure>"
    )


def _journal(record: Record) -> Sequence[Entry]:
    path = Path(record.paths.get("folder", "")) / JOURNAL_NAME
    if not path.is_file():
        return ()
    return tuple(read_entries(path.read_text(encoding="utf-8", errors="replace")))


def _figures(record: Record) -> dict[str, bytes]:
    """Return the figures of the best trial or of the run. The script of the page draws the rest."""
    names = ("confusion_matrix", "best_learning_curves", "learning_curves")
    paths = {name: Path(record.paths[name]) for name in names if name in record.paths}
    return {name: path.read_bytes() for name, path in paths.items() if path.is_file()}
