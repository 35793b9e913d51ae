"""The choice of the checkpoint from which a run resumes.

A run resumes from the newest checkpoint in the folder of `--checkpoints`. If this folder has no
checkpoint, the run resumes from the checkpoint that `--resume-from` names. Without these two
checkpoints, the run starts at the first epoch.
"""

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce
from pathlib import Path

from digits.checkpoints import Checkpoint, CheckpointFolder, read_checkpoint
from digits.data import Digits
from digits.errors import CheckpointError
from digits.settings import Settings

#: Parameters that determine the shapes of weights and optimiser variables. A run and its checkpoint
#: of `--resume-from` must have the same values of these parameters. All other parameters may
#: differ.
_NETWORK = ("architecture", "first_layer_neurons", "second_layer_neurons", "optimizer")


@dataclass(frozen=True)
class Start:
    """The state from which a run starts.

    Attributes:
        checkpoint: The checkpoint to resume from; None if the run starts at the first epoch.
        history: The metrics of the epochs that this run itself has already trained. Epochs that
            another run trained are not included.
        run_id: The id of this run's MLflow run; None if no id is known.
    """

    checkpoint: Checkpoint | None = None
    history: tuple[dict[str, float], ...] = ()
    run_id: str | None = None

    @property
    def epoch(self) -> int:
        """Number of complete epochs."""
        return self.checkpoint.epoch if self.checkpoint else 0

    @property
    def fingerprint(self) -> str:
        """A short text that shows whether two workers start from the same checkpoint."""
        if not self.checkpoint:
            return "none"
        arrays = [array for _, array in sorted(self.checkpoint.state.items())]
        total = reduce(lambda sum_, array: zlib.crc32(array.tobytes(), sum_), arrays, 0)
        return f"epoch {self.epoch}, {total:08x}"


def data_fingerprint(digits: Digits) -> str:
    """Return a short text that shows whether two runs have the same training data."""
    return f"{len(digits)}-{zlib.crc32(digits.labels.data, zlib.crc32(digits.images.data)):08x}"


def find_start(
    settings: Settings, own: CheckpointFolder | None, data: str, say: Callable[[str], None]
) -> Start:
    """Return the state from which the run starts.

    The run's own checkpoints are used before the checkpoint of `--resume-from`.

    Args:
        settings: The settings of the run.
        own: The folder of the run's own checkpoints; None if the run saves no checkpoints.
        data: The fingerprint of the training data.
        say: A function that prints a line. `find_start` calls the function for the chosen
            checkpoint and for each skipped file.

    Raises:
        CheckpointError: The run has checkpoints or `--resume-from`, but no checkpoint can be used.
    """
    if own and (checkpoint := own.latest(_OwnRule(settings, data), say)):
        # If the newest checkpoint is past the last epoch, do not use an older checkpoint instead:
        # the run has already logged the metrics of later epochs.
        if checkpoint.epoch > settings.epochs:
            raise CheckpointError(
                f"--epochs must be at least {checkpoint.epoch}, the epoch of the last checkpoint in"
                f" {own.folder}, got {settings.epochs}"
            )
        say(f"resuming from epoch {checkpoint.epoch}, checkpoint in {own.folder}")
        return Start(checkpoint, tuple(checkpoint.history), checkpoint.run_id or own.run_id)
    if not settings.resume_from:
        # A run that was killed before its first checkpoint may already have created an MLflow run.
        return Start(run_id=own.run_id if own else None)
    checkpoint = _named(settings.resume_from, _NetworkRule(settings), say)
    if checkpoint.epoch >= settings.epochs:
        raise CheckpointError(
            f"--epochs must be above {checkpoint.epoch}, the epoch of {settings.resume_from},"
            f" got {settings.epochs}"
        )
    others = _differences(settings, checkpoint, set(settings.parameters()) - {"epochs"})
    note = f" (trained with another {others})" if others else ""
    say(f"resuming from epoch {checkpoint.epoch} of {settings.resume_from}{note}")
    return Start(checkpoint)


def _named(
    path: Path, check: Callable[[Path, Checkpoint], None], say: Callable[[str], None]
) -> Checkpoint:
    if path.is_dir():
        found = CheckpointFolder(path).latest(check, say)
        if not found:
            raise CheckpointError(
                f"--resume-from must be a folder with checkpoints (epoch-<n>.npz), got {path}"
                " without checkpoints"
            )
        return found
    if not path.is_file():
        raise CheckpointError(
            f"--resume-from must be a checkpoint or a folder with checkpoints, got {path}"
        )
    checkpoint = read_checkpoint(path)
    check(path, checkpoint)
    return checkpoint


@dataclass(frozen=True)
class _NetworkRule:
    """A check that refuses a checkpoint whose arrays do not fit the network or the optimiser."""

    settings: Settings

    def __call__(self, path: Path, checkpoint: Checkpoint) -> None:
        if differences := _differences(self.settings, checkpoint, set(_NETWORK)):
            raise CheckpointError(f"{path}: the checkpoint is of a run with another {differences}")


@dataclass(frozen=True)
class _OwnRule:
    """A check that refuses a checkpoint of another run.

    A checkpoint belongs to the same run if the training data and all parameters are the same. Only
    the number of epochs may differ.
    """

    settings: Settings
    data: str

    def __call__(self, path: Path, checkpoint: Checkpoint) -> None:
        names = set(self.settings.parameters()) - {"epochs"}
        if differences := _differences(self.settings, checkpoint, names):
            raise CheckpointError(f"{path}: the checkpoint is of a run with another {differences}")
        if checkpoint.data != self.data:
            raise CheckpointError(f"{path}: the checkpoint is of a run with other training data")


def _differences(settings: Settings, checkpoint: Checkpoint, names: set[str]) -> str:
    mine, theirs = settings.parameters(), checkpoint.parameters
    return ", ".join(
        f"{name} ({theirs.get(name)}, not {mine[name]})"
        for name in sorted(names)
        if theirs.get(name) != mine[name]
    )
