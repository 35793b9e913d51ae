"""The output of a command.

Results are printed to standard output. Progress is printed to standard error.
"""

import shlex
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import yaml  # type: ignore[import-untyped]

from mnist_exp.checks.unused import is_unused
from mnist_exp.cli.arguments import override_key
from mnist_exp.cli.given_keys import given_keys, split_override
from mnist_exp.config import RegistrationConfig, Stage
from mnist_exp.experiment import Experiment
from mnist_exp.hidden_values import variable_name
from mnist_exp.lazy import figures, insights
from mnist_exp.past_runs import PastRun
from mnist_exp.records import Record, shown_path
from mnist_exp.report.advice import NEXT, Repeated
from mnist_exp.report.comparison import ComparedVariant, print_comparison
from mnist_exp.report.format import plain
from mnist_exp.report.layout import Consoles, print_line, standard_consoles
from mnist_exp.report.live import LiveObserver, NewView
from mnist_exp.report.run_table import print_runs, print_side_by_side
from mnist_exp.report.summary import print_overview, print_summary
from mnist_exp.stages.dry_run import planned, snapshots
from mnist_exp.status import JobStatus

#: Keys and config groups that the later stages also need. The proposed next command repeats the
#: overrides of these keys.
_CARRIED = ("outputs_dir", "profile", "workspace", "data", "registration", "endpoint")
#: Keys whose overrides are valid for one command only. The proposed next command does not repeat
#: the overrides of these keys.
_ONCE = (
    "stage",
    "run",
    "resume",
    "endpoint.regenerate_key",
    "endpoint.traffic",
    "endpoint.mirror_traffic",
    "endpoint.invoke_deployment",
)


class RichDisplay:
    """A display of stages, with colors in a terminal, or as plain lines in a pipe or a log file.

    Args:
        overrides: The overrides of this command. The proposed next command repeats some of these
            overrides.
        flags: Hydra's flags of this command. Each proposed command repeats these flags.
        registration: The config with which the proposed next command registers a model.
        consoles: The consoles to print on; None means standard output and standard error.
        new_view: Function that returns the view of a job's progress; None means a view that fits
            the console.
    """

    def __init__(
        self,
        overrides: Sequence[str] = (),
        flags: Sequence[str] = (),
        registration: RegistrationConfig | None = None,
        consoles: Consoles | None = None,
        new_view: NewView | None = None,
    ) -> None:
        self._flags = flags
        self._registration = registration or RegistrationConfig()
        self._overrides = overrides
        consoles = consoles or standard_consoles()
        self._new_view = new_view
        self._results, self._progress = consoles.results, consoles.progress
        self._records: list[Record] = []
        self._observer: LiveObserver | None = None
        self._is_all = False

    def stage_started(self, record: Record) -> None:
        """Print the stage and its name."""
        # The blank line also separates the summaries if standard output is a file.
        if self._records:
            print_line(self._results, "")
        self._is_all = self._is_all or record.stage is Stage.all
        print_line(self._progress, f"{record.stage.value}  {record.name}", "bold")

    def watching(
        self,
        total_events: int | None,
        primary_metric: str,
        trials: int | None = None,
        noun: str = "trial",
    ) -> LiveObserver:
        """Return an observer. In a `with` block, the observer shows the progress of a job."""
        observer = _Preparing(
            self._progress,
            primary_metric,
            total_events,
            trials,
            noun=noun,
            new_view=self._new_view,
        )
        observer.is_sweep = trials is not None and noun == "trial"
        self._observer = observer
        return observer

    def message(self, text: str) -> None:
        """Print a line of progress."""
        print_line(self._progress, f"  {text}")

    def output(self, text: str) -> None:
        """Print a line of the stage's result."""
        indent = " " * (len(text) - len(text.lstrip(" ")))
        print_line(self._results, indent + plain(text))

    def runs(self, runs: Sequence[PastRun], hidden: int, metric: str | None) -> None:
        """Print a table of past runs."""
        print_runs(runs, self._results, hidden, metric)

    def side_by_side(self, runs: Sequence[PastRun]) -> None:
        """Print a table that compares the parameters and metrics of runs."""
        print_side_by_side(runs, self._results)

    def warning(self, text: str) -> None:
        """Print a warning."""
        print_line(self._progress, f"warning: {text}", "yellow")

    def resume_hint(self, record: Record) -> None:
        """Print the command that resumes an unfinished job."""
        # The command that resumes the job reads the config from the run folder. It needs only one
        # override: the outputs folder, which contains the run folder.
        kept = [text for text in self._overrides if override_key(text) == "outputs_dir"]
        arguments = ["mnist-exp", f"stage={record.stage.value}", f"run={record.name}", *kept]
        condition = (
            "after fixing the script or the data, " if record.status is JobStatus.FAILED else ""
        )
        self.message(f"{condition}resume the job with: {shlex.join(arguments)}")

    def stage_ended(self, record: Record) -> None:
        """Print the summary of a stage. For `stage=all`, first print a table of all stages.

        The summary omits the reasons that the progress has printed. If the stage has failed, the
        error after the summary contains the reason.
        """
        if record.stage is Stage.all:
            print_overview(self._records, self._results)
            print_line(self._results, "")
        self._records.append(record)
        failures = self._observer.failures if self._observer else ()
        record = without_reasons(record, failures)
        if self._is_all:
            print_summary(record, self._results)
        else:
            self.summary(record)

    def summary(self, record: Record) -> None:
        """Print the summary of a stage, with the next command."""
        carried = carried_overrides(self._overrides, record.stage)
        repeated = Repeated(carried, self._flags, self._registration)
        print_summary(record, self._results, repeated)

    def variant(self, number: int, changes: Sequence[str]) -> None:
        """Print the number and the overrides of a multirun's next variant."""
        blank = "\n" if number else ""
        print_line(self._progress, f"{blank}variant {number}: {' '.join(changes)}", "bold")

    def comparison(self, variants: Sequence[ComparedVariant], files: Sequence[Path]) -> None:
        """Print the table that compares the variants of a multirun, and the paths of its files."""
        print_comparison(variants, self._results)
        for path in files:
            print_line(self._results, f"  saved: {shown_path(str(path))}", "dim")


def without_reasons(record: Record, printed: Collection[str]) -> Record:
    """Return the record without the reason of a failure, and without the printed reasons."""
    trials = [{**one, "why": ""} if one.get("why") in printed else one for one in record.trials]
    why = "" if record.status.ended_badly else record.why
    return record.with_changes(trials=trials, why=why)


def carried_overrides(overrides: Sequence[str], stage: Stage) -> list[str]:
    """Return the overrides of a command that the command of the next stage needs.

    After stage=compute the next stage trains, and needs all overrides.

    Args:
        overrides: The overrides of the command.
        stage: The stage of the command.
    """
    given = [text for text in overrides if not _is_one_time(text)]
    if stage is Stage.compute:
        return given
    following = NEXT.get(stage, stage)
    return [
        text
        for override in given
        # The next stage may read only a part of a mapping.
        for text in split_override(override)
        if override_key(text).partition(".")[0] in _CARRIED
        # Repeat environment variables only for stage=deploy. Their hidden values are
        # interpolations, so the next command fails if its environment lacks the variables.
        and not (following is not Stage.deploy and _sets_variables(text))
        and not all(is_unused(following, key) for key in given_keys([text]))
        # The next command after stage=invoke deletes the endpoint. With the name of a deployment,
        # e.g. in endpoint=blue_green, stage=cleanup would delete only this deployment.
        and not (following is Stage.cleanup and _may_name_deployment(text))
    ]


class _Preparing(LiveObserver):
    """An observer that imports the libraries of the report while a job starts.

    These imports take seconds. The command has nothing else to do until the job has started.
    """

    is_sweep = False

    def idle(self) -> None:
        """Import the libraries that the report of the job needs."""
        # Ignore errors here. The code that needs the library imports it again and reports an error.
        with suppress(Exception):
            figures()
            if self.is_sweep:
                insights()


def _sets_variables(override: str) -> bool:
    return all(variable_name(key) is not None for key in given_keys([override]))


def _may_name_deployment(override: str) -> bool:
    keys = [key.replace("/", ".") for key in given_keys([override])]
    return any(f"{key}.".startswith("endpoint.") and key != "endpoint.name" for key in keys)


def _is_one_time(override: str) -> bool:
    key = override_key(override)
    # An override may set one entry of a mapping, e.g. endpoint.traffic.blue=100.
    return any(key == once or key.startswith(f"{once}.") for once in _ONCE)


def show_dry_run(experiment: Experiment, folder: Path, show: Callable[[str], None]) -> Record:
    """Print the YAML of each object that the command would create, and write each YAML to a file.

    Args:
        experiment: The experiment.
        folder: The run folder. The files are written to `dry-run/` in the run folder.
        show: Function that prints a line.

    Returns:
        A record for the table of a multirun. The record is not saved.
    """
    target = folder / "dry-run"
    documents = planned(experiment.with_hidden_values())
    if not documents:
        show(f"# stage={experiment.stage.value} creates no object that has a YAML form")
    for document in documents:
        text = yaml.safe_dump(document.content, sort_keys=False, allow_unicode=True)
        target.mkdir(parents=True, exist_ok=True)
        path = target / f"{document.kind}.yaml"
        path.write_text(text, encoding="utf-8")
        for line in (f"--- # {document.kind} {document.name}: {path}", *text.splitlines()):
            show(line)
    for snapshot in snapshots(experiment):
        count, size = len(snapshot.files), snapshot.size
        show(f"# {snapshot.key}: {count} files, {size} bytes, of {snapshot.folder}")
        for file in snapshot.files:
            show(f"#   {file}")
    return Record(
        stage=experiment.stage,
        name="dry run",
        status=JobStatus.COMPLETED,
        started=datetime.now(UTC).isoformat(timespec="seconds"),
        workspace=experiment.workspace.type.value,
    )
