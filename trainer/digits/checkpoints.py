"""Checkpoint files, from which a stopped run resumes.

A run that was stopped and resumed ends with the same weights and metrics as a run that was never
stopped.

A checkpoint is one file, such as `epoch-0003.npz`. The file contains an array for each weight and
optimiser variable. One more array, `about`, contains the other fields of a `Checkpoint` as JSON.
The trainer writes a checkpoint under a temporary name, flushes the file to the disk, and then
renames the file. Therefore a file with a checkpoint's name is always complete.

An npz file is a zip archive. The checksums of the archive reveal damage to an array, but do not
cover the list of the arrays. Therefore `about` contains a second list of the arrays.

The seed and the number of the epoch determine the order of the images. The seed determines the
validation split. A checkpoint therefore contains no state of a random number generator.
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
#: Name of the file with the id of the MLflow run. A separate file is needed, because the first
#: checkpoints may be written before the id is known.
_RUN_FILE = "mlflow_run_id"
#: Error numbers of a full disk and of a used-up disk quota.
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
_FIELDS = ("epoch", "parameters", "data", "history", "run_id")

State = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Checkpoint:
    """The state of a run at the end of an epoch.

    Attributes:
        epoch: Number of complete epochs.
        parameters: The parameters of the run, by their names in MLflow.
        data: A fingerprint of the training images.
        history: One dictionary for each epoch that this run trained. The key `epoch` holds the
            number of the epoch, and the other keys are names of metrics.
        run_id: The id of the MLflow run; None if the id is not known yet.
        state: The weights and optimiser variables.
    """

    epoch: int
    parameters: dict[str, str | int | float]
    data: str
    history: list[dict[str, float]]
    run_id: str | None = None
    state: State = field(default_factory=dict)

    @property
    def best(self) -> dict[str, float]:
        """The entry of `history` with the highest validation accuracy; {} if there is no entry."""
        return max(self.history, key=lambda row: row["validation_acc"], default={})


def read_checkpoint(path: Path) -> Checkpoint:
    """Read a complete checkpoint.

    Raises:
        CheckpointError: The file cannot be read, is damaged, is not a checkpoint, or has the
            format of an older or newer trainer.
    """
    try:
        # Open the file here. If zipfile opened the file, a missing permission would be reported as
        # damage.
        with path.open("rb") as file, _whole_archive(file) as arrays:
            about = json.loads(str(arrays["about"]))
            version = about.pop("format_version")
            if version != FORMAT_VERSION:
                age = "a newer" if version > FORMAT_VERSION else "an older"
                raise CheckpointError(
                    f"{path}: written by {age} trainer, in format {version}; this trainer reads"
                    f" format {FORMAT_VERSION}"
                )
            state = {name: arrays[name] for name in arrays if name != "about"}
            if _shapes(state) != about["arrays"]:
                raise ValueError(
                    f"the file holds the arrays {_shapes(state)}, but was written with the arrays"
                    f" {about['arrays']}"
                )
            return _validated(Checkpoint(**{name: about[name] for name in _FIELDS}, state=state))
    except CheckpointError:
        raise
    except PermissionError as error:
        raise CheckpointError(f"{path}: cannot be read: {error.strerror}") from error
    except Exception as error:
        # Damaged bytes make zipfile, NumPy and json raise nearly any exception.
        raise CheckpointError(f"{path}: damaged or not a checkpoint: {error}") from error


class CheckpointFolder:
    """The folder with the checkpoints of one run; only the newest two checkpoints are kept.

    Args:
        folder: The folder for the files. The folder is created when the first file is written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._own: list[Path] = []

    def latest(
        self, check: Callable[[Path, Checkpoint], None], warn: Callable[[str], None]
    ) -> Checkpoint | None:
        """Return the newest checkpoint that can be used; None if the folder has no checkpoints.

        Args:
            check: A function that raises CheckpointError for a checkpoint that cannot be used.
            warn: A function that is called with one line for each skipped file.

        Raises:
            CheckpointError: The folder has checkpoints, but no checkpoint can be used. The run
                must not restart without the user's consent, because the user expects it to resume.
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
            remedy = (
                "resume with the settings and data of that run"
                if others
                else "move these files away to restart"
            )
            raise CheckpointError(f"{'; '.join(refused)} ({remedy}, or name another folder)")
        for reason in refused:
            warn(f"warning: skipped {reason}")
        return found

    @property
    def run_id(self) -> str | None:
        """The id of the MLflow run that `note_run` saved last; None if no id was saved."""
        try:
            return (self.folder / _RUN_FILE).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            return None

    def note_run(self, run_id: str) -> None:
        """Save the id of the MLflow run to which this training run logs.

        If the file cannot be written, the error is ignored, because training can continue without
        the saved id.
        """
        with suppress(OSError), replaced_file(self.folder / _RUN_FILE) as new:
            new.write_text(run_id, encoding="utf-8")

    def save(self, checkpoint: Checkpoint) -> None:
        """Write a checkpoint, then delete all checkpoints of this run except the newest two.

        If the disk is full, delete the older of the two saved checkpoints, and try again.

        Raises:
            OSError: The checkpoint could not be written; the newest earlier checkpoint is
                unchanged.
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
        with replaced_file(path) as new:
            with new.open("wb") as file:
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


def _validated(checkpoint: Checkpoint) -> Checkpoint:
    """Return the checkpoint if its fields have the types that a run needs.

    Raises:
        ValueError: A field has a wrong type.
    """
    rows = checkpoint.history
    expected = [
        isinstance(checkpoint.epoch, int),
        isinstance(checkpoint.parameters, dict),
        isinstance(checkpoint.data, str),
        isinstance(checkpoint.run_id, str | None),
        isinstance(rows, list) and all({"epoch", "validation_acc"} <= set(row) for row in rows),
    ]
    if not all(expected):
        raise ValueError("the fields of the array `about` do not have the types of a checkpoint")
    return checkpoint


def _whole_archive(file: BinaryIO) -> Any:
    if not zipfile.is_zipfile(file):
        raise ValueError("the file is not an npz archive, or is truncated")
    file.seek(0)
    return np.load(file, allow_pickle=False)


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
    """Return the type and shape of each array by its name, such as `float32 (256, 128)`."""
    return {name: f"{array.dtype} {array.shape}" for name, array in sorted(state.items())}


def _free_name(path: Path) -> Path:
    """Return an unused path in the same folder, to which a refused checkpoint can be renamed."""
    number = 1
    while (free := path.with_name(f"{path.name}.refused-{number}")).exists():
        number += 1
    return free
