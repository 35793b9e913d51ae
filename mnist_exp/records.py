"""Run records: each stage writes a `run.json` for later stages and for people.

A stage writes its record when the stage starts (status Running) and again when the stage ends. A
record is first written to a temporary file, which is then renamed. `index.jsonl` in the outputs
folder has one line for each record. A stage appends this line when the stage starts. The line
contains the name, the stage and the folder of the record. The line does not contain the status,
because the status changes later. docs/run-record.md describes the schema.

Users may move or copy a project. The index therefore has paths relative to the outputs folder.
"""

import json
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from mnist_exp.config import Stage
from mnist_exp.errors import NotFoundError
from mnist_exp.status import JobStatus

#: Version of the schema. Raise the version if a field changes its meaning or is removed. Do not
#: raise the version if a field is added.
SCHEMA_VERSION = 1

#: The errors of `json.loads` for damaged content. JSON that is nested too deeply raises a
#: RecursionError.
INVALID_JSON = (ValueError, RecursionError)
#: Types of the fields of a record. `load_record` checks these types.
_TYPES: dict[str, Any] = {
    **dict.fromkeys(("name", "started", "workspace", "fingerprint", "why"), str),
    **dict.fromkeys(("experiment_name", "primary_metric", "goal"), str),
    **dict.fromkeys(("overrides", "flags"), list),
    **dict.fromkeys(("parameters", "metrics", "insights", "paths", "versions"), dict),
    **dict.fromkeys(("best", "model", "endpoint", "compute", "predictions"), dict | None),
    **dict.fromkeys(("trials", "logged_models", "log_tail", "warnings", "unread"), list),
    "duration_s": int | float | None,
    "seed": int | None,
}
RECORD_NAME = "run.json"
#: File name, in a run folder, of the config of a sweep or training run.
CONFIG_NAME = "config.json"
#: File name, in a run folder, of the page of a job or of a multirun.
REPORT_NAME = "report.html"
#: File name, in a run folder, of the curves of a training run or of a sweep without a journal.
CURVES_NAME = "curves.json"
#: File name, in a run folder, of the output of a command in the background.
COMMAND_LOG = "mnist_exp_background.log"
#: File name, in a run folder, of the lock that a command holds while it runs its stage.
COMMAND_LOCK = ".mnist_exp.lock"
_INDEX_NAME = "index.jsonl"


@dataclass(frozen=True)
class Record:
    """The record of one stage. Times are ISO 8601 in UTC, durations are in seconds.

    Attributes:
        name: The name of the job, model or endpoint. The key `run=` accepts this name.
        metrics: Metric name -> last value. For a sweep: the last values of the best trial.
        trials: For a sweep: one mapping for each trial. docs/run-record.md lists the keys.
        best: For a sweep: the name, value, parameters and metrics of the best trial.
        insights: For a sweep: why the best trial won, how much work early termination saved,
            and which parameters mattered. For a training run: the speed, and the epoch from which
            the run resumed.
        logged_models: For train and sweep: the names of the models that the script (of the best
            trial) logged with MLflow, or the ids of models whose name is not unique. Empty if the
            job saved a model in `outputs/model`.
        model: For register and deploy: a mapping with the keys name, version and path.
        endpoint: For deploy and invoke: a mapping with the keys name, scoring_uri and deployments.
        experiment_name: For train, sweep and all: the experiment that contains the runs in MLflow.
        primary_metric: For train and sweep: the name of the main metric; empty if there is none.
        goal: For sweep: `maximize` or `minimize`. Empty for other stages and if unknown.
        overrides: The overrides of the command.
        flags: The flags of the command that select the config, with their values.
        paths: Kind of file or folder (folder, log, figures) -> path.
        fingerprint: A hash of the code and of the settings that influence the result of the stage.
        why: The reason why the stage failed or was canceled, in one line.
        log_tail: For a failed job: the last lines of the job's log.
        unread: Warnings about results that could not be read, e.g. metrics of a completed job. A
            later command with `run=NAME` reads these results.
    """

    stage: Stage
    name: str
    status: JobStatus
    started: str
    schema_version: int = SCHEMA_VERSION
    workspace: str = "local"
    experiment_name: str = ""
    primary_metric: str = ""
    goal: str = ""
    overrides: Sequence[str] = ()
    flags: Sequence[str] = ()
    parameters: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    trials: Sequence[Mapping[str, Any]] = ()
    best: Mapping[str, Any] | None = None
    insights: Mapping[str, Any] = field(default_factory=dict)
    logged_models: Sequence[str] = ()
    model: Mapping[str, Any] | None = None
    endpoint: Mapping[str, Any] | None = None
    compute: Mapping[str, Any] | None = None
    predictions: Mapping[str, Any] | None = None
    paths: Mapping[str, str] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    git_commit: str | None = None
    seed: int | None = None
    duration_s: float | None = None
    fingerprint: str = ""
    why: str = ""
    log_tail: Sequence[str] = ()
    warnings: Sequence[str] = ()
    unread: Sequence[str] = ()

    def with_changes(self, **changes: Any) -> "Record":
        """Return a copy in which the given fields have new values."""
        return replace(self, **changes)

    def save(self, folder: Path) -> Path:
        """Write `run.json` into `folder` atomically, and return the path of the file."""
        path = folder / RECORD_NAME
        write_json(path, asdict(self))
        return path


def write_json(path: Path, value: object, mode: int = 0o644) -> None:
    """Write `value` as JSON to a file, as `write_text` does.

    Infinity and NaN become null, because JSON cannot represent these values.
    """
    text = json.dumps(_finite(value), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    write_text(path, text, mode)


def write_text(path: Path, text: str, mode: int = 0o644) -> None:
    """Write a text to a temporary file beside `path`, then rename the file to `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(mode)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def load_record(path: Path) -> Record:
    """Read a `run.json`.

    Raises:
        NotFoundError: The file does not exist, is damaged, or was written by a newer version.
    """
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        version = raw["schema_version"]
        if version > SCHEMA_VERSION:
            raise NotFoundError(
                f"{path}: schema_version must be at most {SCHEMA_VERSION}, got {version}; "
                "use the newer version of mnist-exp that wrote the file"
            )
        known = {name: raw[name] for name in Record.__dataclass_fields__ if name in raw}
        known["stage"] = Stage(known["stage"])
        known["status"] = JobStatus(known["status"])
        for name, value in known.items():
            if not isinstance(value, _TYPES.get(name, object)):
                raise TypeError(f"the field {name} has the wrong type, got {str(value)[:40]!r}")
        return Record(**known)
    except (OSError, KeyError, TypeError, *INVALID_JSON) as error:
        raise NotFoundError(f"{path}: not a readable run record ({error})") from error


class RecordIndex:
    """The index of the records in an outputs folder.

    Args:
        outputs: The outputs folder, which may not exist yet.
    """

    def __init__(self, outputs: Path) -> None:
        self.outputs = outputs
        self._path = outputs / _INDEX_NAME

    def add(self, record: Record, folder: Path) -> None:
        """Append a line with the name, the stage and the folder of a record."""
        entry = {
            "name": record.name,
            "stage": record.stage.value,
            "folder": relative_path(folder, self.outputs),
        }
        self._path.parent.mkdir(parents=True, exist_ok=True)
        # A killed command may have written an incomplete line. Start the new entry on a new line.
        start = "\n" if self._ends_within_a_line() else ""
        with self._path.open("a", encoding="utf-8") as file:
            file.write(f"{start}{json.dumps(entry)}\n")

    def newest_first(self, *stages: Stage) -> Iterator[tuple[Record, Path]]:
        """Yield the readable records of the given stages, newest first, with their run folders.

        If several commands used the same run folder, the folder has only the newest record. If the
        project was moved, the paths in the records are those after the move.
        """
        wanted = {stage.value for stage in stages}
        seen = set()
        for entry in reversed(self._entries()):
            written = entry.get("folder", "")
            if entry.get("stage") in wanted and written not in seen:
                folder = moved_path(written, self.outputs)
                with suppress(NotFoundError):
                    yield _moved(load_record(folder / RECORD_NAME), written, self.outputs), folder
            seen.add(written)

    def _ends_within_a_line(self) -> bool:
        try:
            with self._path.open("rb") as file:
                file.seek(-1, os.SEEK_END)
                return file.read() != b"\n"
        except OSError:
            # The file does not exist or is empty.
            return False

    def _entries(self) -> list[dict[str, str]]:
        try:
            lines = self._path.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            return []
        return [entry for entry in map(_parsed, lines) if entry]


def relative_path(path: Path, outputs: Path) -> str:
    """Return `path` relative to `outputs` if `path` is in the project; otherwise absolute.

    The project is the folder that contains the outputs folder. A path outside of the project stays
    absolute, because such a path does not move when the project moves.
    """
    project = outputs.resolve().parent
    inside = path.resolve().is_relative_to(project) and project != Path(project.anchor)
    return os.path.relpath(path.resolve(), outputs.resolve()) if inside else str(path.resolve())


def moved_path(path: str, outputs: Path) -> Path:
    """Return the absolute path for a result of `relative_path`, even after the project moved."""
    return Path(os.path.normpath(outputs.resolve() / path))


def _moved(record: Record, written: str, outputs: Path) -> Record:
    """Return a record whose paths follow a move of the outputs folder.

    Args:
        record: The record, whose paths are those of the command that wrote the record.
        written: The path of the run folder relative to the outputs folder.
        outputs: The present outputs folder.
    """
    former, present = _former_outputs(record, written), str(outputs.resolve())
    if former is None or former == present:
        return record
    changed = {
        name: _with_prefix(getattr(record, name), f"{former}/", f"{present}/")
        for name in ("paths", "trials", "model", "predictions")
    }
    return record.with_changes(**changed)


def _former_outputs(record: Record, written: str) -> str | None:
    """Return the outputs folder of the command that wrote a record; None if it is unknown."""
    # The figures are in the run folder. The folder of a job is `jobs/NAME` in the outputs folder.
    for path in record.paths.values():
        for place in (f"/{written}/", f"/jobs/{record.name}/"):
            before, found, _ = f"{path}/".partition(place)
            if found:
                return before
    return None


def _with_prefix(value: Any, former: str, present: str) -> Any:
    """Return a value in which each path with the prefix `former` has the prefix `present`."""
    if isinstance(value, str):
        return present + value.removeprefix(former) if value.startswith(former) else value
    if isinstance(value, Mapping):
        return {key: _with_prefix(item, former, present) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_with_prefix(item, former, present) for item in value]
    return value


def shown_path(path: str) -> str:
    """Return a path relative to the current folder. A path outside this folder is unchanged."""
    try:
        return str(Path(path).relative_to(Path.cwd()))
    except ValueError:
        return path


def _parsed(line: str) -> dict[str, str]:
    # A killed command may have written an incomplete line. Ignore such a line, because
    # the path of the record may be incomplete.
    try:
        entry = json.loads(line)
    except INVALID_JSON:
        return {}
    is_entry = isinstance(entry, dict) and all(isinstance(value, str) for value in entry.values())
    return entry if is_entry else {}


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if value - value == 0 else None
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value
