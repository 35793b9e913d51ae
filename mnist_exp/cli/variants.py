"""The variants of a multirun: run the training jobs that wait, and compare all variants."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from mnist_exp.cli.arguments import override_key
from mnist_exp.cli.display import RichDisplay
from mnist_exp.cli.error_output import Outcome, report_errors
from mnist_exp.cli.prepare import (
    Prepared,
    delete_empty_multirun,
    delete_folder_of_variant,
    multirun_folder,
)
from mnist_exp.config import Stage
from mnist_exp.errors import NotFoundError
from mnist_exp.experiment import Experiment
from mnist_exp.lazy import report_page
from mnist_exp.records import RECORD_NAME, Record, load_record
from mnist_exp.report.comparison import ComparedVariant
from mnist_exp.report.comparison_files import save_comparison
from mnist_exp.stages.pages import EVERY_S
from mnist_exp.stages.train import TrainStage
from mnist_exp.stages.variants import WaitingVariant, run_variants
from mnist_exp.status import JobStatus
from mnist_exp.workspaces.base import BY_THE_USER, Workspace
from mnist_exp.workspaces.base import Outcome as JobOutcome

#: The target of Hydra's default launcher, which calls the task function once for each variant.
_BASIC_LAUNCHER = "hydra._internal.core_plugins.basic_launcher.BasicLauncher"


@dataclass
class _Variant:
    """A variant, and its record if the variant has ended."""

    overrides: Sequence[str]
    composed: DictConfig
    hydra_config: DictConfig
    record: Record | None = None

    @property
    def is_recorded(self) -> bool:
        """Whether the stage of the variant has a record. The other stages only print results."""
        return self.stage.is_recorded

    @property
    def stage(self) -> Stage:
        """The stage; `all` if the stage is missing, because the table needs some stage."""
        is_missing = OmegaConf.is_missing(self.composed, "stage")
        return Stage.all if is_missing else Stage(self.composed.stage)


class Variants:
    """The variants of a multirun.

    Training runs on this machine wait until Hydra has composed all variants. Then several of these
    runs run at the same time. All other variants run immediately, one after the other.
    """

    def __init__(self) -> None:
        self._variants: dict[int, _Variant] = {}
        self._waiting: dict[int, Prepared] = {}
        #: The earliest time of the next page of the running multirun, on the monotonic clock.
        self._next_page = 0.0
        #: All runs in one outputs folder use one workspace. The functions return these workspaces.
        self._openers: dict[tuple[str, str, str | None], Callable[[], Workspace]] = {}

    def add(self, overrides: Sequence[str], composed: DictConfig, hydra_config: DictConfig) -> None:
        """Add the next variant, and print its number and its overrides."""
        number = hydra_config.job.num
        self._variants[number] = _Variant(overrides, composed, hydra_config)
        RichDisplay().variant(number, overrides)

    def let_wait(self, number: int, prepared: Prepared) -> None:
        """Let a variant wait until `run_waiting` is called. Print the name of its job."""
        key, runner = _workspace_key(prepared), prepared.runner
        is_first = key not in self._openers
        opener = self._openers.setdefault(key, runner.context.opener)
        context = runner.context = replace(runner.context, opener=opener)
        context.display.message(runner.name)
        if is_first and isinstance(runner, TrainStage):
            most = context.config.max_concurrent_variants
            with context.display.watching(None, "") as observer:
                context.workspace.prefetch(runner.job, most, observer)
        self._waiting[number] = prepared

    def ended(self, number: int, record: Record | None, why: str) -> None:
        """Save the record of a variant for the table.

        Args:
            number: The number of the variant.
            record: The record; None if the variant has failed.
            why: Why the variant has failed.
        """
        variant = self._variants[number]
        variant.record = record or _failed(variant, why)
        self._update_page()

    def run_waiting(self) -> Outcome:
        """Run the variants that wait. Return the exit code, and whether the user pressed Ctrl-C."""
        waiting, self._waiting, self._openers = self._waiting, {}, {}
        worst = Outcome()
        while waiting and not worst.interrupted:
            key = _workspace_key(next(iter(waiting.values())))
            group = {number: one for number, one in waiting.items() if _workspace_key(one) == key}
            waiting = {number: one for number, one in waiting.items() if number not in group}
            with report_errors() as outcome:
                self._run_together(group, worst)
            worst.exit_code = max(worst.exit_code, outcome.exit_code)
        # After Ctrl-C, `compare` closes the workspaces of the variants that still wait.
        self._waiting = waiting
        return worst

    def _run_together(self, group: Mapping[int, Prepared], worst: Outcome) -> None:
        """Run variants that share a workspace, and save the highest exit code in `worst`."""
        changes = _changes({number: one.overrides for number, one in self._variants.items()})
        first = next(iter(group.values())).runner.context

        def ended(variant: WaitingVariant, result: JobOutcome) -> None:
            with report_errors(f"canceled: {variant.record.name}") as outcome:
                variant.end(result)
            self._variants[variant.number].record = variant.record
            self._update_page()
            # The user may have canceled only this variant.
            worst.exit_code = max(worst.exit_code, min(outcome.exit_code, 1))

        with ExitStack() as stack:
            variants = []
            for number, prepared in group.items():
                stack.enter_context(prepared.opened)
                if isinstance(prepared.runner, TrainStage):
                    variants.append(WaitingVariant(prepared.runner, number, changes[number]))
            run_variants(variants, first.config.max_concurrent_variants, ended)

    def compare(self) -> Outcome:
        """Print the table of all variants, and save the table in the folder of the multirun.

        A variant without a record is not in the table, and its folder is deleted.
        """
        with report_errors() as outcome:
            for prepared in self._waiting.values():
                # The user pressed Ctrl-C before these variants were run.
                prepared.opened.close()
            if compared := list(self._compared(BY_THE_USER, JobStatus.CANCELED)):
                # A variant without a record was waiting when the user pressed Ctrl-C.
                files = [*save_comparison(compared, multirun_folder()), *_report(compared)]
                RichDisplay().comparison(compared, files)
            for variant in self._variants.values():
                if not variant.is_recorded:
                    delete_folder_of_variant(variant.hydra_config)
            delete_empty_multirun()
        return outcome

    def _update_page(self) -> None:
        """Write the page of the running multirun, if the last page is old enough."""
        if time.monotonic() < self._next_page:
            return
        # The end of the multirun reports an error.
        with suppress(Exception):
            compared = list(self._compared("", JobStatus.NOT_STARTED))
            report_page().write_multirun_report(compared, multirun_folder(), is_running=True)
        self._next_page = time.monotonic() + EVERY_S

    def _compared(self, why: str, status: JobStatus) -> Iterator[ComparedVariant]:
        """Yield the variants that have records.

        Args:
            why: Why a variant has no result, if it saved no record.
            status: The status of such a variant.
        """
        recorded = (item for item in sorted(self._variants.items()) if item[1].is_recorded)
        for number, variant in recorded:
            record = variant.record or _failed(variant, why, status)
            folder = Path(variant.hydra_config.runtime.output_dir)
            yield ComparedVariant(number, variant.overrides, record, folder)


def can_wait(prepared: Prepared, hydra_config: DictConfig) -> bool:
    """Return whether a variant may run later, at the same time as other variants."""
    context = prepared.runner.context
    return (
        isinstance(prepared.runner, TrainStage)
        and context.config.wait
        and not context.config.dry_run
        # Jobs on Azure run at the same time if wait=false.
        and not context.workspace.outlives_command
        # Hydra sets the current folder and the environment only while it calls the task function.
        and not hydra_config.job.chdir
        and not hydra_config.job.env_set
        # Another launcher, e.g. joblib, itself decides which variants run at the same time.
        and hydra_config.launcher._target_ == _BASIC_LAUNCHER
    )


def may_wait(composed: DictConfig) -> bool:
    """Return whether a variant is a training run, before the variant is prepared."""
    is_missing = OmegaConf.is_missing(composed, "stage")
    return not is_missing and composed.stage in (Stage.run, Stage.train)


def _report(compared: Sequence[ComparedVariant]) -> list[Path]:
    """Write the page of the multirun, and return its path. An error is only a warning."""
    try:
        return [report_page().write_multirun_report(compared, multirun_folder())]
    except Exception as error:
        # Scripts may log values that the page cannot show. The table must not be lost.
        RichDisplay().warning(f"report: could not be written ({type(error).__name__}: {error})")
        return []


def _workspace_key(prepared: Prepared) -> tuple[str, str, str | None]:
    config: Experiment = prepared.runner.context.config
    return str(Path(config.outputs_dir).resolve()), str(config.workspace), config.data.cache_dir


def _changes(overrides: Mapping[int, Sequence[str]]) -> dict[int, dict[str, str]]:
    """Return number -> key -> value, for the overrides that differ between the variants."""
    common = set.intersection(*(set(each) for each in overrides.values()))
    return {
        number: {override_key(text): text.partition("=")[2] for text in each if text not in common}
        for number, each in overrides.items()
    }


def _failed(variant: _Variant, why: str, status: JobStatus = JobStatus.FAILED) -> Record:
    """Return the record of a variant without a result.

    If the variant saved no record, the function creates a record with the reason.
    """
    try:
        return load_record(Path(variant.hydra_config.runtime.output_dir) / RECORD_NAME)
    except NotFoundError:
        return Record(
            stage=variant.stage,
            name="",
            status=status,
            started=datetime.now(UTC).isoformat(timespec="seconds"),
            why=why,
        )
