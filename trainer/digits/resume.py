"""The start of a run: its own last checkpoint, another run's checkpoint, or the first epoch."""

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce
from pathlib import Path

from digits.checkpoints import Checkpoint, CheckpointFolder, read_checkpoint
from digits.data import Digits
from digits.errors import CheckpointError
from digits.settings import Settings

#: Parameters that decide the shapes of the weights. Another run's other parameters may differ.
_NETWORK = ("architecture", "first_layer_neurons", "second_layer_neurons", "optimizer")


@dataclass(frozen=True)
class Start:
    """The start of a run.

    Attributes:
        checkpoint: The checkpoint to resume from; None starts at the first epoch.
        history: The metrics of the epochs that this run has trained already.
        run_id: The MLflow run with these metrics, if it is known.
    """

    checkpoint: Checkpoint | None = None
    history: tuple[dict[str, float], ...] = ()
    run_id: str | None = None

    @property
    def epoch(self) -> int:
        """Number of epochs that are done."""
        return self.checkpoint.epoch if self.checkpoint else 0

    @property
    def fingerprint(self) -> str:
        """A short text that differs for other starting weights."""
        if not self.checkpoint:
            return "none"
        arrays = [array for _, array in sorted(self.checkpoint.state.items())]
        total = reduce(lambda sum_, array: zlib.crc32(array.tobytes(), sum_), arrays, 0)
        return f"epoch {self.epoch}, {total:08x}"


def data_fingerprint(digits: Digits) -> str:
    """Return a short text that differs for other training data."""
    return f"{len(digits)}-{zlib.crc32(digits.labels.data, zlib.crc32(digits.images.data)):08x}"


def find_start(
    settings: Settings, own: CheckpointFolder | None, data: str, say: Callable[[str], None]
) -> Start:
    """Find the checkpoint to resume from; the run's own come before the one of `--resume-from`.

    Args:
        settings: The settings of the run.
        own: The folder of the run's own checkpoints, if it saves any.
        data: The fingerprint of its training data.
        say: Called with a line about the start, and with a line for each skipped file.

    Raises:
        CheckpointError: There are checkpoints and none can be used.
    """
    if own and (checkpoint := own.latest(_OwnRule(settings, data), say)):
        # An older checkpoint might fit, but the run's metrics reach up to this one.
        if checkpoint.epoch > settings.epochs:
            raise CheckpointError(
                f"--epochs must be at least {checkpoint.epoch}, the epoch of the last checkpoint in"
                f" {own.folder}, got {settings.epochs}"
            )
        say(f"resuming from epoch {checkpoint.epoch}, checkpoint in {own.folder}")
        return Start(checkpoint, tuple(checkpoint.history), checkpoint.run_id or own.run_id)
    if not settings.resume_from:
        # A run that was killed before its first checkpoint has an MLflow run nevertheless.
        return Start(run_id=own.run_id if own else None)
    checkpoint = _named(settings.resume_from, _NetworkRule(settings), say)
    if checkpoint.epoch >= settings.epochs:
        raise CheckpointError(
            f"--epochs must be above {checkpoint.epoch}, the epoch of {settings.resume_from},"
            f" got {settings.epochs}"
        )
    others = _differences(settings, checkpoint, set(settings.parameters()) - {"epochs"})
    note = f" (it was trained with another {others})" if others else ""
    say(f"resuming from epoch {checkpoint.epoch} of {settings.resume_from}{note}")
    return Start(checkpoint)


def _named(
    path: Path, check: Callable[[Path, Checkpoint], None], say: Callable[[str], None]
) -> Checkpoint:
    if path.is_dir():
        found = CheckpointFolder(path).latest(check, say)
        if not found:
            raise CheckpointError(f"--resume-from: no checkpoint epoch-<n>.npz in {path}")
        return found
    if not path.is_file():
        raise CheckpointError(f"--resume-from must be a checkpoint or a folder of them, got {path}")
    checkpoint = read_checkpoint(path)
    check(path, checkpoint)
    return checkpoint


@dataclass(frozen=True)
class _NetworkRule:
    """Refuses checkpoints of another network."""

    settings: Settings

    def __call__(self, path: Path, checkpoint: Checkpoint) -> None:
        if differences := _differences(self.settings, checkpoint, set(_NETWORK)):
            raise CheckpointError(f"{path}: the checkpoint is of a run with another {differences}")


@dataclass(frozen=True)
class _OwnRule:
    """Refuses checkpoints of another run. A run with another number of epochs is the same run."""

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
