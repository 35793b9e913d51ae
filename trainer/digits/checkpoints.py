"""Checkpoints: all that a run needs to go on as if it had never been stopped.

A checkpoint is one file, `epoch-0003.npz`: arrays of weights and of the optimiser's state, and a
JSON text (the array `about`) with the rest. It is written aside, flushed to the disk and renamed,
so a file of that name is whole. Damage from elsewhere is found by the checksums of the format, and
by the list of its arrays: the checksums do not cover the archive's directory.
Order and split of the images are drawn from (seed, epoch), so these two are the random state.
"""

import errno
import json
import os
import re
import zipfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from digits.errors import CheckpointError
from digits.files import replaced_file

FORMAT_VERSION = 2
_NAME = re.compile(r"epoch-(\d{4,})\.npz")
# The MLflow run, which may become known only after the first checkpoints are written.
_RUN_FILE = "mlflow_run_id"
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
_FIELDS = ("epoch", "parameters", "data", "history", "run_id")

State = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Checkpoint:
    """A run at the end of an epoch.

    Attributes:
        epoch: How many epochs are done.
        parameters: What the run was asked for, by MLflow's names.
        data: A fingerprint of the training images.
        history: For each epoch that this run trained, `epoch` and its metrics.
        run_id: The MLflow run, where it is known.
        state: Weights and the optimiser's variables.
    """

    epoch: int
    parameters: dict[str, str | int | float]
    data: str
    history: list[dict[str, float]]
    run_id: str | None = None
    state: State = field(default_factory=dict)

    @property
    def best(self) -> dict[str, float]:
        """The epoch with the highest validation accuracy, the first of equals; {} without one."""
        return max(self.history, key=lambda row: row["validation_acc"], default={})


def read_checkpoint(path: Path) -> Checkpoint:
    """Reads a checkpoint whole.

    Raises:
        CheckpointError: It is damaged, no checkpoint at all, or of another format.
    """
    try:
        # Given a path in place of a file, zipfile would take one that cannot be read for damaged.
        with path.open("rb") as file, _whole_archive(file) as arrays:
            about = json.loads(str(arrays["about"]))
            version = about.pop("format_version")
            if version != FORMAT_VERSION:
                age = "a newer" if version > FORMAT_VERSION else "an older"
                raise CheckpointError(
                    f"{path}: written by {age} trainer, in format {version}; this one reads"
                    f" {FORMAT_VERSION}"
                )
            state = {name: arrays[name] for name in arrays if name != "about"}
            if _shapes(state) != about["arrays"]:
                raise ValueError(
                    f"it holds {_shapes(state)}, it was written with {about['arrays']}"
                )
            return _sound(Checkpoint(**{name: about[name] for name in _FIELDS}, state=state))
    except CheckpointError:
        raise
    except PermissionError as error:
        raise CheckpointError(f"{path}: cannot be read: {error.strerror}") from error
    except Exception as error:
        # Damaged bytes may make zipfile, NumPy and json raise nearly anything.
        raise CheckpointError(f"{path}: damaged or not a checkpoint: {error}") from error


def _sound(checkpoint: Checkpoint) -> Checkpoint:
    """The checkpoint, if its parts are what whoever goes on from it takes them for."""
    rows = checkpoint.history
    expected = [
        isinstance(checkpoint.epoch, int),
        isinstance(checkpoint.parameters, dict),
        isinstance(checkpoint.data, str),
        isinstance(checkpoint.run_id, str | None),
        isinstance(rows, list) and all({"epoch", "validation_acc"} <= set(row) for row in rows),
    ]
    if not all(expected):
        raise ValueError("what it says of its run is not what a trainer writes")
    return checkpoint


def _whole_archive(file: BinaryIO) -> Any:
    if not zipfile.is_zipfile(file):
        raise ValueError("no npz archive, or cut short")
    file.seek(0)
    return np.load(file, allow_pickle=False)


class CheckpointFolder:
    """The checkpoints of one run: the newest two are kept.

    Args:
        folder: Where they lie; made when the first is written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._own: list[Path] = []

    def latest(
        self, check: Callable[[Path, Checkpoint], None], warn: Callable[[str], None]
    ) -> Checkpoint | None:
        """Finds the newest good checkpoint.

        Args:
            check: Raises CheckpointError for a checkpoint that cannot be used.
            warn: Told of each file that was passed over.

        Raises:
            CheckpointError: There are checkpoints, and none can be used. To start over would bury
                them under the new run's.
        """
        found: Checkpoint | None = None
        unreadable: list[CheckpointError] = []
        others: list[CheckpointError] = []
        for path in reversed(self._files()):
            refusals = unreadable
            try:
                checkpoint = read_checkpoint(path)
                refusals = others
                check(path, checkpoint)
            except CheckpointError as refusal:
                refusals.append(refusal)
                continue
            self._own.insert(0, path)
            found = found or checkpoint
        refused = [str(refusal) for refusal in (*others, *unreadable)]
        if refused and not found:
            remedy = "go on with what it was begun with" if others else "to begin again, move them"
            raise CheckpointError(f"{'; '.join(refused)} ({remedy}, or name another folder)")
        for passed_over in refused:
            warn(f"warning: passed over {passed_over}")
        return found

    @property
    def run_id(self) -> str | None:
        """The MLflow run that was noted last."""
        try:
            return (self.folder / _RUN_FILE).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            return None

    def note_run(self, run_id: str) -> None:
        """Notes in which MLflow run this run logs; a disk that is full is nothing to end it for."""
        with suppress(OSError), replaced_file(self.folder / _RUN_FILE) as aside:
            aside.write_text(run_id, encoding="utf-8")

    def save(self, checkpoint: Checkpoint) -> None:
        """Writes a checkpoint, then drops the oldest ones of this run.

        Where there is no room for it, the last but one makes room.

        Raises:
            OSError: It could not be written; the last one is as it was.
        """
        try:
            self._write(checkpoint)
        except OSError as error:
            if error.errno not in _NO_ROOM or len(self._own) < 2:
                raise
            self._own.pop(0).unlink(missing_ok=True)
            self._write(checkpoint)

    def _write(self, checkpoint: Checkpoint) -> None:
        path = self.folder / f"epoch-{checkpoint.epoch:04}.npz"
        with replaced_file(path) as aside:
            with aside.open("wb") as file:
                np.savez(file, about=np.array(_about(checkpoint)), **checkpoint.state)  # type: ignore[arg-type]
                file.flush()
                os.fsync(file.fileno())
            if path.exists() and path not in self._own:
                path.rename(_free_name(path))
        self._own = [*(own for own in self._own if own != path), path]
        for old in self._own[:-2]:
            old.unlink(missing_ok=True)
        del self._own[:-2]

    def _files(self) -> list[Path]:
        if not self.folder.exists():
            return []
        if not self.folder.is_dir():
            raise CheckpointError(f"--checkpoints must be a folder, got the file {self.folder}")
        matches = ((_NAME.fullmatch(path.name), path) for path in self.folder.iterdir())
        return [
            path for _, path in sorted((int(match[1]), path) for match, path in matches if match)
        ]


def _about(checkpoint: Checkpoint) -> str:
    about: dict[str, Any] = {name: getattr(checkpoint, name) for name in _FIELDS}
    about["format_version"] = FORMAT_VERSION
    about["arrays"] = _shapes(checkpoint.state)
    about["best"] = checkpoint.best
    about["random_state"] = {
        "seed": checkpoint.parameters["seed"],
        "epochs_drawn": checkpoint.epoch,
    }
    return json.dumps(about)


def _shapes(state: State) -> dict[str, str]:
    """What kind of array is kept under each name, such as `float32 (256, 128)`."""
    return {name: f"{array.dtype} {array.shape}" for name, array in sorted(state.items())}


def _free_name(path: Path) -> Path:
    """A name beside a refused file, under which it can stay."""
    number = 1
    while (free := path.with_name(f"{path.name}.refused-{number}")).exists():
        number += 1
    return free
