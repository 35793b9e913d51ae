"""report.html: a page with the results of a training run, a sweep or a multirun, in one file.

The page loads nothing from a network. The same record and files give the same bytes.

To add a part to the page, add its values to `content.py`, a section to `page.html`, and a function
that draws the section to `answer.js`. If the filter changes the section, call the function in
`PARTS` of `page.js`.
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
from mnist_exp.report.comparison import ComparedVariant
from mnist_exp.report.page.content import page_content
from mnist_exp.report.page.curves import save_curves, save_trial_curves
from mnist_exp.report.page.files import NO_FILES, JournalReader, RunFiles, run_files
from mnist_exp.report.page.multirun import multirun_content

__all__ = [
    "JournalReader",
    "page",
    "report_page",
    "save_curves",
    "save_trial_curves",
    "write_multirun_report",
    "write_report",
]

_HERE = Path(__file__).parent
#: The parts of the script, in their order in the page.
_SCRIPTS = ("trials.js", "charts.js", "plots.js", "table.js", "answer.js", "page.js")


def write_report(record: Record, folder: Path, journal: JournalReader | None = None) -> Path:
    """Write the page of a record to the run folder, and return the path of the page.

    Args:
        record: The record of a training run or a sweep.
        folder: The run folder, which contains `run.json`.
        journal: The reader of the sweep's journal. A caller that writes the page repeatedly passes
            the same reader.

    Raises:
        MnistExpError: The sweep's journal is damaged, or a file cannot be read or written.
    """
    path = folder / REPORT_NAME
    try:
        files = run_files(record, folder, journal or JournalReader())
        write_text(path, report_page(record, files))
    except (OSError, ValueError) as error:
        raise MnistExpError(f"{path}: the report cannot be written ({error})") from error
    return path


def write_multirun_report(
    variants: Sequence[ComparedVariant], folder: Path, *, is_running: bool = False
) -> Path:
    """Write the page of a multirun to its folder, and return the path of the page.

    Args:
        variants: The variants, at least one.
        folder: The folder of the multirun.
        is_running: Whether some variants have not ended.
    """
    path = folder / REPORT_NAME
    name = f"{folder.parent.name} {folder.name}"
    write_text(path, page(multirun_content(variants, name, is_running=is_running)))
    return path


def report_page(record: Record, files: RunFiles = NO_FILES) -> str:
    """Return the page of a training run or a sweep."""
    return page(page_content(record, files), files.figures)


def page(content: Mapping[str, Any], figures: Mapping[str, bytes] | None = None) -> str:
    """Return a page.

    Args:
        content: The data that the script of the page reads.
        figures: Name of a figure -> content of its PNG file.
    """
    style, script = _text("page.css"), "".join(_text(name) for name in _SCRIPTS)
    return Template(_text("page.html")).substitute(
        title=html.escape(f"{content['stage']} {content['name']}"),
        policy=(
            f"default-src 'none'; img-src data:; style-src '{_hash(style)}'; "
            f"script-src '{_hash(script)}'"
        ),
        style=style,
        script=script,
        content=_embedded(content),
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
