"""stage=prune: which past runs it deletes, and which runs stay."""

from pathlib import Path

import pytest

from mnist_exp.config import Stage
from mnist_exp.metrics import MetricPoint
from mnist_exp.records import COMMAND_LOCK, COMMAND_LOG, Record
from mnist_exp.results import StoredJob
from mnist_exp.stages import RUNNERS, run_stage
from mnist_exp.status import JobStatus
from mnist_exp.sweeps.journal import Created, Entry, Finished, Logged, Sampled
from mnist_exp.workspaces.local.jobs.folder import JobFolder
from mnist_exp.workspaces.local.sweep.journal_file import JournalFile
from mnist_exp.workspaces.local.workspace import LocalWorkspace
from tests.support.recorded_outputs import RecordedOutputs

MODELS = {"registered": "digits:1"}
TRIALS = {
    "sweep": ["sweep_0", "sweep_1"],
    "without_best": ["without_best_0"],
    "lost": ["lost_0", "lost_1"],
}
FAILED = "keep is Failed; to delete this run too, add runs.status=Failed"
BEST = "is the best run of digits"
SAVE = "keep the results are not saved; to save the results, run: mnist-exp stage=sweep run=lost"
#: Jobs without a job folder.
NO_FOLDER = ("starting", "failed_early", "canceled_early", "deleted")


class StoredJobs(LocalWorkspace):
    """A workspace whose jobs have sizes, but no files. One job runs, and the others have ended."""

    def __init__(self, outputs: RecordedOutputs) -> None:
        super().__init__(outputs.path)
        self.deleted: list[str] = []

    def find_job(self, name: str) -> JobStatus | None:
        """Return Running for the job `running`."""
        return JobStatus.RUNNING if name == "running" else super().find_job(name)

    def stored_jobs(self, name: str) -> list[StoredJob]:
        """Return the job and its trials, each with a megabyte in two files."""
        names = [] if name in NO_FOLDER else [name, *TRIALS.get(name, ())]
        return [StoredJob(one, 1_000_000, 2, MODELS.get(one, "")) for one in names]

    def delete_job(self, name: str) -> None:
        """Remember the name."""
        self.deleted.append(name)


@pytest.fixture
def workspace(outputs: RecordedOutputs) -> StoredJobs:
    """A workspace with runs of every kind."""
    outputs.add(Stage.train, "registered")
    measured = {"primary_metric": "acc", "experiment_name": "digits"}
    outputs.add(Stage.train, "gone", metrics={"acc": 0.5}, **measured)
    outputs.add(Stage.train, "failed", JobStatus.FAILED)
    outputs.add(Stage.train, "running", JobStatus.RUNNING)
    outputs.add(Stage.train, "killed", JobStatus.RUNNING)
    outputs.add(Stage.train, "there", workspace="azure")
    outputs.add(Stage.sweep, "sweep", best={"name": "sweep_1", "value": 0.9})
    outputs.add(Stage.sweep, "without_best", best=None)
    outputs.add(Stage.register, "digits:1")
    outputs.add(Stage.train, "best", metrics={"acc": 0.6}, **measured)
    outputs.add(Stage.train, "failed_best", JobStatus.FAILED, metrics={"acc": 0.7}, **measured)
    return StoredJobs(outputs)


def pruned(outputs: RecordedOutputs, workspace: StoredJobs, *overrides: str) -> dict[str, str]:
    """Run the stage. Return name -> the rest of its line; the last line has the name `total`."""
    outputs.display.messages.clear()
    context = outputs.context(Stage.prune, *overrides, opener=lambda: workspace)
    runner = RUNNERS[Stage.prune](context)
    assert runner.faults() == []
    run_stage(runner)
    *lines, total = outputs.display.messages
    found = {}
    if lines and " the list of stage=runs" in lines[-1]:
        found["leaving"] = lines.pop()
    for line in lines:
        verb, _, rest = line.partition(" ")
        name, _, reason = rest.partition("  ")[2].rpartition("  ")[2].partition(": ")
        name = name.replace(f" in {outputs.path / 'runs'}", "")
        found[name] = f"{verb} {reason}".strip()
    return found | {"total": total}


def test_what_somebody_may_need_stays(outputs: RecordedOutputs, workspace: StoredJobs) -> None:
    count = len(list(outputs.path.rglob("run.json")))
    found = pruned(outputs, workspace)
    assert found.pop("total").startswith("would free 4.0 MB in 10 files; ")
    assert found.pop("leaving").startswith(
        "2 runs would leave the list of stage=runs, with records"
    )
    expected = {
        "registered": "keep registered as digits:1",
        "gone": "delete",
        "record of gone/002": "delete",
        "failed": FAILED,
        "running": "keep is Running",
        "killed": FAILED,
        "sweep_0": "delete",
        "sweep_1": "keep best trial",
        "sweep": "keep a trial stays",
        "without_best_0": "delete",
        "without_best": "delete",
        "record of without_best/008": "delete",
        "best": f"keep {BEST}; to delete this run too, add runs.status=Completed",
        "failed_best": FAILED,
    }
    assert found == expected
    # By default, the stage only prints what it would delete.
    assert workspace.deleted == []
    assert len(list(outputs.path.rglob("run.json"))) == count

    found = pruned(outputs, workspace, "prune.delete=true")
    assert found.pop("total") == "freed 4.0 MB in 10 files"
    assert found.pop("leaving").startswith("2 runs have left the list of stage=runs")
    assert found == expected
    assert workspace.deleted == ["gone", "sweep_0", "without_best_0", "without_best"]
    assert len(list(outputs.path.rglob("run.json"))) == count - 2
    assert [record.name for record, _ in outputs.index.newest_first(Stage.train)] == [
        *("failed_best", "best", "there"),
        *("killed", "running", "failed"),
        "registered",
    ]


def test_a_record_stays_although_its_job_has_no_folder(outputs: RecordedOutputs) -> None:
    # The command creates the environment of the job, or was killed meanwhile.
    outputs.add(Stage.sweep, "starting", JobStatus.RUNNING, best=None)
    outputs.add(Stage.train, "failed_early", JobStatus.FAILED)
    outputs.add(Stage.train, "canceled_early", JobStatus.CANCELED)
    # An earlier stage=prune was killed between the deletions of the job and of the record.
    outputs.add(Stage.train, "deleted")
    found = pruned(outputs, StoredJobs(outputs), "prune.delete=true")
    assert found["record of deleted/004"] == "delete"
    for number, name in enumerate(NO_FOLDER[:3], 1):
        assert found[f"record of {name}/{number:03}"].startswith("keep ")
    records = outputs.index.newest_first(Stage.train, Stage.sweep)
    assert {record.name for record, _ in records} == set(NO_FOLDER[:3])
    # The user can still delete these records.
    found = pruned(outputs, StoredJobs(outputs), "prune.delete=true", "runs.status=canceled")
    assert found["record of canceled_early/003"] == "delete"


@pytest.mark.parametrize(
    ("overrides", "deleted"),
    [
        (["runs.status=failed"], ["failed", "killed", "failed_best"]),
        (["runs.status=completed", "runs.stage=train"], ["gone", "best"]),
        (["runs.stage=train"], ["gone"]),
        (["runs.stage=deploy"], []),
        (["runs.max_value=0.4"], []),
        (["runs.older_than_days=1e6"], []),
        (["runs.older_than_days=0", "runs.min_value=0.5"], ["gone"]),
    ],
)
def test_the_user_selects_the_runs(
    outputs: RecordedOutputs, workspace: StoredJobs, overrides: list[str], deleted: list[str]
) -> None:
    pruned(outputs, workspace, "prune.delete=true", *overrides)
    assert workspace.deleted == deleted


def test_the_own_files_of_a_run_folder_stay(
    outputs: RecordedOutputs,
    workspace: StoredJobs,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    # The commands used hydra.run.dir=project.
    project = tmp_path / "project"
    own = {"figures/mine.png", ".hydra/mine.yaml", "code/train.py", ".lock", "command.log"}
    written = {"figures/curves.png", ".hydra/config.yaml", "config.json", COMMAND_LOG, COMMAND_LOCK}
    for name in own | written:
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).touch()
    for name in ("first", "second"):
        paths = {"curves": str(project / "figures" / "curves.png"), "log": "/std_log.txt"}
        record = Record(Stage.train, name, JobStatus.COMPLETED, "2026-11-01", paths=paths)
        record.save(project)
        outputs.index.add(record, project)
    found = pruned(outputs, workspace, "prune.delete=true")
    assert "record of second in project" in found
    # The record of the second command has replaced the record of the first command.
    assert "first" not in found
    left = {str(path.relative_to(project)) for path in project.rglob("*") if path.is_file()}
    assert left == own


@pytest.mark.parametrize(
    ("last", "overrides", "kept"),
    [
        # The command was killed after the sweep had ended, or still draws figures.
        ([Finished(status="Completed")], (), SAVE),
        ([], (), FAILED),
        ([], ("runs.status=failed",), "delete"),
    ],
)
def test_the_results_of_a_killed_sweep_stay(
    outputs: RecordedOutputs, last: list[Entry], overrides: tuple[str, ...], kept: str
) -> None:
    outputs.add(Stage.sweep, "lost", JobStatus.RUNNING, best=None)
    folder = JobFolder(outputs.path / "jobs", "lost")
    folder.describe({"name": "lost"})
    journal = JournalFile(folder.path)
    points = [(0, MetricPoint("acc", 0.9, 1, trial=0)), (1, MetricPoint("acc", 0.5, 1, trial=1))]
    for entry in (
        Created(sweep={"objective": {"primary_metric": "acc", "goal": "maximize"}}),
        *(Sampled(trial=trial, parameters={}) for trial, _ in points),
        *(Logged(point=point) for _, point in points),
        *last,
    ):
        journal.append(entry)
    journal.close()
    workspace = StoredJobs(outputs)
    found = pruned(outputs, workspace, "prune.delete=true", *overrides)
    assert found["lost_1"] == kept
    best = "keep best trial" if kept == "delete" else kept
    assert found["lost_0"] == best
    assert workspace.deleted == (["lost_1"] if kept == "delete" else [])

    journal.path.write_text("{}\n", encoding="utf-8")
    damaged = pruned(outputs, workspace, "prune.delete=true", "runs.status=failed")
    assert damaged["lost_1"].startswith("keep run: the journal")
