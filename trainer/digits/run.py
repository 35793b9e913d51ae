"""One training run, from the digits to the exported model."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from digits.checkpoints import Checkpoint, CheckpointFolder
from digits.cluster import Cluster, join_cluster
from digits.compute import ComputePath
from digits.data import Digits, Split, split
from digits.errors import Stopped, stoppable
from digits.export import Evaluation, evaluate, export_evaluation, export_model
from digits.files import make_writable_folder
from digits.settings import Settings
from digits.start import Start, data_fingerprint, find_start
from digits.tracking import Tracker, tracked, tracking_uri
from digits.training import TrainingLoop

#: Folder for the results. Azure ML saves this folder when the job ends:
#: https://learn.microsoft.com/azure/machine-learning/how-to-save-write-experiment-files
OUTPUTS = Path("outputs")


def run(settings: Settings, digits: Digits, test: Digits) -> None:
    """Train a network, log the metrics, save checkpoints, evaluate the network and export it.

    Args:
        settings: The settings of the run.
        digits: The digits to train and to validate with.
        test: The digits to test with.

    Raises:
        TrainerError: The run cannot start, or has failed; the message contains the reason.
        Stopped: SIGTERM stopped the run.
    """
    parts = split(digits, test, settings.validation_fraction, settings.seed)
    cluster = join_cluster(settings.batch_size)
    if cluster.is_chief:
        remedy = "run the command in a folder that can be written"
        make_writable_folder(OUTPUTS, "the model cannot be saved:", remedy)
        if settings.checkpoints:
            remedy = "name a folder that can be written"
            make_writable_folder(settings.checkpoints, "--checkpoints:", remedy)
    with stoppable() as stop, cluster.reporting_lost_workers():
        path = choose_path(settings, parts.training, cluster.strategy)
        loop = TrainingLoop(path, settings, parts, cluster, stop)
        _Run(settings, parts, cluster, path, loop).execute()


def choose_path(settings: Settings, digits: Digits, strategy: Any) -> ComputePath:
    """Return the compiled path if it can train this network, and the general path otherwise.

    Args:
        settings: The network and the optimiser.
        digits: The digits to train with.
        strategy: TensorFlow's strategy for several devices; None for one device.
    """
    # The imports are inside the function, because the general path imports Keras. Importing Keras
    # takes a second, and the compiled path does not need Keras.
    if settings.is_dense_sgd and strategy is None:
        from digits.compiled import CompiledPath  # noqa: PLC0415

        return CompiledPath(settings, digits)

    from digits.general import GeneralPath  # noqa: PLC0415

    return GeneralPath(settings, digits, strategy)


class _Run:
    """A training run, with the metrics of its epochs so far."""

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
        self.saved_epoch = self.resumed_from = 0
        self.newest: Checkpoint | None = None
        """The checkpoint of the last complete epoch. This checkpoint may not be in a file yet."""

    def execute(self) -> None:
        start = find_start(self.settings, self.own, self.data, _say)
        self._check_workers(start)
        if start.checkpoint:
            self.path.restore(start.checkpoint.state)
        self.history = list(start.history)
        self.saved_epoch = self.resumed_from = start.epoch
        with tracked(
            self._tracking_uri(),
            self.settings.parameters(),
            start.run_id,
            self.own.note_run if self.own else None,
            self._is_stopping,
        ) as tracker:
            for row in start.history:
                tracker.log(_metrics(row), int(row["epoch"]))
            self._train(start, tracker)
            self._finish(tracker)

    def _check_workers(self, start: Start) -> None:
        self.cluster.check_same(
            {
                **self.settings.parameters(),
                "training part": self.data,
                "starting checkpoint": start.fingerprint,
            }
        )

    def _tracking_uri(self) -> str | None:
        """Return and print the address of the MLflow store; None if this process logs nothing."""
        uri = tracking_uri() if self.cluster.is_chief else None
        why_not = "MLflow is not installed, or mlflow-skinny is installed without a tracking URI"
        if not self.cluster.is_chief:
            why_not = "only worker 0, the chief, logs metrics"
        _say(f"tracking: {uri or f'off ({why_not})'}")
        return uri

    def _train(self, start: Start, tracker: Tracker) -> None:
        epochs = self.settings.epochs
        try:
            for epoch in self.loop.epochs(start.epoch):
                tracker.log(epoch.metrics, epoch.number)
                self.history.append({"epoch": epoch.number, **epoch.metrics})
                _say(_line(epoch.number, epochs, epoch.metrics, epoch.seconds))
                self._take_checkpoint(epoch.number, tracker.run_id)
                if epoch.number % self.settings.checkpoint_every == 0 or epoch.number == epochs:
                    self._save_checkpoint()
                tracker.wait_once(self._is_stopping)
        except Stopped:
            self._save_checkpoint()
            raise

    def _is_stopping(self) -> bool:
        return self.loop.stop.is_set

    def _take_checkpoint(self, epoch: int, run_id: str | None) -> None:
        """Keep a checkpoint of this epoch in memory.

        `_save_checkpoint` writes the newest checkpoint to a file every `--checkpoint-every` epochs,
        after the last epoch, and when the run is stopped.
        """
        if self.own and self.cluster.is_chief:
            self.newest = Checkpoint(
                epoch,
                self.settings.parameters(),
                self.data,
                list(self.history),
                run_id,
                self.path.state(),
            )

    def _save_checkpoint(self) -> None:
        """Write the newest checkpoint to a file, unless this checkpoint was already written."""
        if not (self.own and self.newest and self.newest.epoch > self.saved_epoch):
            return
        try:
            self.own.save(self.newest)
            self.saved_epoch = self.newest.epoch
        except OSError as error:
            # Continue to train. The disk may have free space again for the next checkpoint.
            last = f"epoch {self.saved_epoch}" if self.saved_epoch else "none"
            _say(
                f"warning: no checkpoint of epoch {self.newest.epoch} was saved: {error};"
                f" last checkpoint: {last}"
            )

    def _finish(self, tracker: Tracker) -> None:
        evaluation = evaluate(self.path, self.parts.test) | {"speed": self._speed()}
        if self.resumed_from:
            evaluation["resumed_from"] = self.resumed_from
        tracker.log({"test_acc": evaluation["test_acc"]}, int(self.history[-1]["epoch"]))
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
        """Return the devices and the speed.

        The speed is measured without the first step. If the run had only one step, the speed is
        missing. If the run had no step, the result is empty.
        """
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
