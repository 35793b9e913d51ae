"""One training run, from the digits to the exported model."""

import errno
import tempfile
from collections.abc import Mapping
from pathlib import Path

from digits.checkpoints import Checkpoint, CheckpointFolder
from digits.cluster import Cluster, join_cluster
from digits.compute import ComputePath
from digits.data import Digits, Split, split
from digits.errors import SettingsError, Stopped
from digits.export import Evaluation, evaluate, export_evaluation, export_model
from digits.paths import choose_path
from digits.resume import Start, data_fingerprint, find_start
from digits.settings import Settings
from digits.stopping import stoppable
from digits.tracking import Tracker, tracked, tracking_uri
from digits.training import TrainingLoop

# Azure ML keeps this folder of a job:
# https://learn.microsoft.com/azure/machine-learning/how-to-save-write-experiment-files
OUTPUTS = Path("outputs")


def run(settings: Settings, digits: Digits, test: Digits) -> None:
    """Trains, tracks, keeps checkpoints, evaluates and exports, and says so on stdout.

    Args:
        settings: What was asked for.
        digits: To train and to validate with.
        test: To test with.

    Raises:
        TrainerError: The run cannot start or came to nothing; the text says why.
        Stopped: SIGTERM ended it.
    """
    parts = split(digits, test, settings.validation_fraction, settings.seed)
    cluster = join_cluster(settings.batch_size)
    if cluster.is_chief:
        _make(OUTPUTS, "the model goes to", "start where that can be written")
        if settings.checkpoints:
            _make(settings.checkpoints, "--checkpoints:", "name a folder that can be written")
    with stoppable() as stop, cluster.telling_of_losses():
        path = choose_path(settings, parts.training, cluster.strategy)
        loop = TrainingLoop(path, settings, parts, cluster, stop)
        _Run(settings, parts, cluster, path, loop).go()


def _make(folder: Path, what: str, remedy: str) -> None:
    """Sees before the training that what comes of it can be kept."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # What an older run has left may belong to somebody else.
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        # A disk that is full may have room again when it is needed.
        if error.errno != errno.ENOSPC:
            raise SettingsError(
                f"{what} {folder.absolute()}, which cannot be written ({error.strerror}); {remedy}"
            ) from error


class _Run:
    """The parts of a run that work together, and what they have come to."""

    def __init__(
        self,
        settings: Settings,
        parts: Split,
        cluster: Cluster,
        path: ComputePath,
        loop: TrainingLoop,
    ) -> None:
        self.settings = settings
        self.parts = parts
        self.cluster = cluster
        self.path = path
        self.loop = loop
        self.data = data_fingerprint(parts.training)
        self.own = CheckpointFolder(settings.checkpoints) if settings.checkpoints else None
        self.history: list[dict[str, float]] = []
        self.kept_epoch = self.resumed_from = 0
        self.held: Checkpoint | None = None

    def go(self) -> None:
        start = find_start(self.settings, self.own, self.data, _say)
        parameters = self.settings.parameters()
        self.cluster.check_same(
            {
                **parameters,
                "training part": self.data,
                "checkpoint to begin with": start.fingerprint,
            }
        )
        if start.checkpoint:
            self.path.restore(start.checkpoint.state)
        self.history, self.kept_epoch = list(start.history), start.epoch
        self.resumed_from = start.epoch
        uri = tracking_uri() if self.cluster.is_chief else None
        why_not = "no tracking URI, and no MLflow with a local store"
        if not self.cluster.is_chief:
            why_not = "the chief, worker 0, tracks for all"
        _say(f"tracking: {uri or f'off ({why_not})'}")
        noted = self.own.note_run if self.own else None
        with tracked(uri, parameters, start.run_id, noted, self._is_stopping) as tracker:
            for row in start.history:
                tracker.log(_metrics(row), int(row["epoch"]))
            self._train(start, tracker)
            self._finish(tracker)

    def _train(self, start: Start, tracker: Tracker) -> None:
        epochs = self.settings.epochs
        try:
            for epoch in self.loop.epochs(start.epoch):
                tracker.log(epoch.metrics, epoch.number)
                self.history.append({"epoch": epoch.number, **epoch.metrics})
                _say(_line(epoch.number, epochs, epoch.metrics, epoch.seconds))
                self._hold(epoch.number, tracker.run_id)
                if epoch.number % self.settings.checkpoint_every == 0 or epoch.number == epochs:
                    self._keep()
                tracker.wait_once(self._is_stopping)
        except Stopped:
            self._keep()
            raise

    def _is_stopping(self) -> bool:
        return self.loop.stop.is_set

    def _hold(self, epoch: int, run_id: str | None) -> None:
        """Has a checkpoint of this epoch at hand, whether it is its turn or not."""
        if self.own and self.cluster.is_chief:
            self.held = Checkpoint(
                epoch,
                self.settings.parameters(),
                self.data,
                list(self.history),
                run_id,
                self.path.state(),
            )

    def _keep(self) -> None:
        """Writes the checkpoint at hand, if it is not written yet."""
        if not (self.own and self.held and self.held.epoch > self.kept_epoch):
            return
        try:
            self.own.save(self.held)
            self.kept_epoch = self.held.epoch
        except OSError as error:
            # Training is worth more than a checkpoint: the next one may find room again.
            kept = (
                f"that of epoch {self.kept_epoch} is kept" if self.kept_epoch else "there is none"
            )
            _say(f"warning: no checkpoint of epoch {self.held.epoch}, {kept}: {error}")

    def _finish(self, tracker: Tracker) -> None:
        evaluation = evaluate(self.path, self.parts.test) | {"speed": self._speed()}
        if self.resumed_from:
            evaluation["resumed_from"] = self.resumed_from
        last = self.history[-1]
        ends = {"final_acc": last["validation_acc"], "test_acc": evaluation["test_acc"]}
        tracker.log(ends, int(last["epoch"]))
        if self.cluster.is_chief:
            export_evaluation(evaluation, OUTPUTS)
            export_model(self.path, self.parts.test, OUTPUTS)
        self._summarise(evaluation)

    def _summarise(self, evaluation: Evaluation) -> None:
        best = max(self.history, key=lambda row: row["validation_acc"])
        _say(
            f"test_acc {evaluation['test_acc']:.4f} on {evaluation['test_count']} images;"
            f" best validation_acc {best['validation_acc']:.4f} in epoch {best['epoch']}"
        )
        if speed := evaluation["speed"]:
            rate = speed.get("images_per_second")
            _say(
                f"{f'{rate:,.0f} images/s ' if rate else ''}on {speed['device']}, {speed['path']};"
                f" first step {speed['seconds_to_first_step']:.1f} s after the process started"
            )
        if self.cluster.is_chief:
            _say(f"model in {OUTPUTS / 'model'}")

    def _speed(self) -> dict[str, str | float]:
        """How fast it was and on what; no speed where one step was taken, nothing where none."""
        pace = self.loop.pace
        if not pace.seconds_to_first_step:
            return {}
        speed: dict[str, str | float] = {
            "device": self.cluster.description,
            "path": self.path.name,
            "seconds_to_first_step": pace.seconds_to_first_step,
        }
        if pace.steps:
            speed["images_per_second"] = pace.steps * self.settings.batch_size / pace.seconds
        return speed


def _metrics(row: Mapping[str, float]) -> dict[str, float]:
    return {name: value for name, value in row.items() if name != "epoch"}


def _line(number: int, epochs: int, metrics: Mapping[str, float], seconds: float) -> str:
    values = "  ".join(f"{name} {value:.4f}" for name, value in metrics.items())
    return f"epoch {number:>{len(str(epochs))}}/{epochs}  {values}  {seconds:.2f} s"


def _say(line: str) -> None:
    print(line, flush=True)
