"""Run the training jobs of several variants of a multirun, some of them at the same time."""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack

from mnist_exp.file_locks import locked
from mnist_exp.records import COMMAND_LOCK, Record
from mnist_exp.results import JobResult, TrialResult
from mnist_exp.stages.recording import Recording, failure
from mnist_exp.stages.resume import keep_config
from mnist_exp.stages.train import TrainStage
from mnist_exp.stages.watching import epochs_of
from mnist_exp.status import JobStatus
from mnist_exp.workspaces.base import Observer, Outcome

#: The name of the multirun in the view of its variants. The variants are shown like the trials of a
#: sweep.
_MULTIRUN = "multirun"


class WaitingVariant:
    """A variant whose training job waits, runs or has ended.

    Args:
        runner: The stage of the variant, which has been checked.
        number: The number of the variant in the multirun.
        changes: Config key -> value, for the overrides that differ between variants.
    """

    def __init__(self, runner: TrainStage, number: int, changes: Mapping[str, str]) -> None:
        self.runner = runner
        self.number = number
        self.changes = changes
        self._recording = Recording(runner)
        self._has_started = False
        self._lock = ExitStack()

    @property
    def record(self) -> Record:
        """The present record of the variant."""
        return self._recording.record

    def submit(self) -> None:
        """Write the record and the config, and submit the job.

        If this command is killed, a later command with `run=NAME` can start the job.
        """
        folder = self.runner.context.folder
        # Other commands see by the lock that this command still runs.
        self._lock.enter_context(locked(folder / COMMAND_LOCK))
        self._recording.queue()
        keep_config(self.runner.context)
        self.runner.context.workspace.submit(self.runner.job)

    def start(self) -> None:
        """Write the record with the status Running."""
        self._has_started = True
        self._recording.__enter__()

    def stop_clock(self) -> None:
        """End the duration of the variant. Its figures wait for the figures of other variants."""
        self._recording.stop_clock()

    def end(self, outcome: Outcome) -> None:
        """Write the record with the result of the job, and draw the figures of the job.

        Raises:
            JobError: The job has failed or was canceled.
            Exception: The outcome is this error.
            KeyboardInterrupt: The user canceled the job.
        """
        if not self._has_started:
            self.start()
        with self._lock, ExitStack() as stack:
            stack.push(self._recording)
            with self.runner.resumable(self.record):
                if not isinstance(outcome, JobResult):
                    raise outcome
            self._recording.record = self.runner.with_result(self.record, outcome)
        if self.record.status.ended_badly:
            raise failure(self.record)


def run_variants(
    variants: Sequence[WaitingVariant],
    max_concurrent: int | None,
    ended: Callable[[WaitingVariant, Outcome], None],
) -> None:
    """Run the jobs of variants until all jobs have ended.

    Args:
        variants: The variants. All variants use the workspace and the display of the first variant.
        max_concurrent: Maximum number of jobs that run at the same time; None lets the workspace
            decide.
        ended: Function that gets each variant with its outcome when its job has ended. The function
            calls `WaitingVariant.end`.

    Raises:
        KeyboardInterrupt: The user pressed Ctrl-C. `ended` has been called for all variants.
    """
    waiting = _Waiting(ended)
    for variant in variants:
        try:
            variant.submit()
        except Exception as error:
            ended(variant, error)
        else:
            waiting.variants[variant.record.name] = variant
    context = variants[0].runner.context
    epochs, metric = _common_epochs(variants), _metric(variants)
    with context.display.watching(epochs, metric, len(variants), "variant") as observer:
        rows = _Rows(observer)
        observers = {name: _RowObserver(rows, each) for name, each in waiting.variants.items()}
        try:
            context.workspace.watch_jobs(observers, max_concurrent, waiting)
        except KeyboardInterrupt:
            for name in list(waiting.variants):
                waiting.job_ended(name, KeyboardInterrupt())
            raise


class _Waiting:
    """The variants whose jobs have not ended, as a listener of the workspace."""

    def __init__(self, ended: Callable[[WaitingVariant, Outcome], None]) -> None:
        self.variants: dict[str, WaitingVariant] = {}
        self._ended = ended

    def job_starts(self, name: str) -> None:
        """Write the record of the variant with the status Running."""
        self.variants[name].start()

    def job_ended(self, name: str, outcome: Outcome) -> None:
        """Pass the variant with its outcome to the function."""
        self._ended(self.variants.pop(name), outcome)


class _Rows:
    """The view of all variants: each variant is a row, like a trial of a sweep."""

    def __init__(self, view: Observer) -> None:
        self.view = view
        self._rows: dict[int, TrialResult] = {}

    def update(self, number: int, row: TrialResult) -> None:
        """Show the new state of a variant."""
        self._rows[number] = row
        rows = [self._rows[each] for each in sorted(self._rows)]
        self.view.job_changed(JobResult(_MULTIRUN, JobStatus.RUNNING, trials=rows))


class _RowObserver:
    """The observer of one variant, which updates the row of the variant."""

    def __init__(self, rows: _Rows, variant: WaitingVariant) -> None:
        self._rows = rows
        self._variant = variant
        self._metric = variant.runner.context.config.job.primary_metric or ""
        self._began: float | None = None

    def job_changed(self, job: JobResult) -> None:
        """Show the new state of the job."""
        self._began = self._began or time.monotonic()
        if job.status.is_finished:
            self._variant.stop_clock()
        points = job.metrics.get(self._metric, ())
        row = TrialResult(
            name=f"{_MULTIRUN}_{self._variant.number}",
            status=job.status,
            parameters=self._variant.changes,
            last=points[-1].value if points else None,
            events=len(points),
            duration_s=time.monotonic() - self._began,
        )
        self._rows.update(self._variant.number, row)

    def message(self, text: str) -> None:
        """Show a message about the variant."""
        self._rows.view.message(f"variant {self._variant.number}: {text}")

    def idle(self) -> None:
        """Import the libraries of the figures while the first job starts."""
        self._rows.view.idle()


def _common_epochs(variants: Sequence[WaitingVariant]) -> int | None:
    """Return the number of epochs of all variants; None if the numbers differ or are unknown."""
    epochs = {epochs_of(variant.runner.job) for variant in variants}
    return epochs.pop() if len(epochs) == 1 else None


def _metric(variants: Sequence[WaitingVariant]) -> str:
    """Return the primary metric of all variants; empty if the metrics differ."""
    metrics = {variant.runner.context.config.job.primary_metric for variant in variants}
    return (metrics.pop() or "") if len(metrics) == 1 else ""
