"""A sweep that is killed at any moment resumes and ends like an undisturbed one."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from mlflow import MlflowClient

from mnist_exp.errors import OutputsError, RefusedError
from mnist_exp.results import JobResult
from mnist_exp.status import JobStatus
from mnist_exp.sweeps.journal import Decided, Ended, Logged, Resumed, Sampled, Started
from mnist_exp.workspaces.local.sweep import trial_backend as backend
from mnist_exp.workspaces.local.tracking.database import STORE_NAME
from mnist_exp.workspaces.local.tracking.store import Tracking
from mnist_exp.workspaces.local.workspace import LocalWorkspace
from tests.support.decisions import decisions_of
from tests.support.small_jobs import LOGGER, PYTHON, choice, description, sweep_job
from tests.support.watching import Watcher
from tests.workspaces.local.killing import (
    SCRIPT,
    TRIALS,
    Victim,
    curves,
    decided,
    gated,
    histories,
    rules,
    run_here,
    table,
    wait_for_text,
)

#: Forked from a process with libraries, and a process of its own.
WAYS = ("python", PYTHON)


@pytest.fixture
def folder(code: Callable[..., Path]) -> Path:
    return code(SCRIPT)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, empty_store: Path) -> JobResult:
    """The same sweep, run without a kill."""
    outputs = tmp_path_factory.mktemp("undisturbed")
    shutil.copyfile(empty_store, outputs / STORE_NAME)
    folder = tmp_path_factory.mktemp("undisturbed_code")
    (folder / "script.py").write_text(SCRIPT, encoding="utf-8")
    (folder / "logger.py").write_text(LOGGER, encoding="utf-8")
    return run_here(outputs, rules(folder, "python"))


def check_as_if_undisturbed(
    victim: Victim, outputs: Path, job_rules: tuple[Path, str], undisturbed: JobResult
) -> None:
    seen = {entry.trial for entry in victim.entries() if isinstance(entry, Ended)}
    starts = [entry.trial for entry in victim.entries() if isinstance(entry, Started)]
    assert victim.left_behind() == []
    result = run_here(outputs, rules(*job_rules))
    assert (result.status, result.best) == (JobStatus.COMPLETED, undisturbed.best)
    assert table(result) == table(undisturbed)
    assert curves(result) == curves(undisturbed)
    all_starts = [entry.trial for entry in victim.entries() if isinstance(entry, Started)]
    # No trial that had ended runs again.
    assert seen.isdisjoint(all_starts[len(starts) :])
    assert victim.left_behind() == []
    # The killed command had no time to delete its copies of the inputs.
    assert not list((outputs / "jobs").glob("*/inputs"))


@pytest.mark.parametrize(
    ("seed", "python"),
    [
        (1, WAYS[0]),
        (2, WAYS[1]),
        *(pytest.param(seed, WAYS[seed % 2], marks=pytest.mark.soak) for seed in range(3, 18)),
    ],
)
def test_a_killed_sweep_ends_like_an_undisturbed_one(
    seed: int, python: str, outputs: Path, folder: Path, undisturbed: JobResult
) -> None:
    victim = Victim(outputs, rules(folder, python))
    victim.kill_at_random(seed)
    check_as_if_undisturbed(victim, outputs, (folder, python), undisturbed)


@pytest.mark.parametrize(
    "seed", [4, *(pytest.param(seed, marks=pytest.mark.soak) for seed in range(20, 25))]
)
def test_with_a_policy_every_decision_can_be_taken_again(
    seed: int, outputs: Path, folder: Path, undisturbed: JobResult
) -> None:
    victim = Victim(outputs, rules(folder, "python", with_bandit=True))
    # Cut trials make short journals.
    victim.kill_at_random(seed, latest=22)
    job = rules(folder, "python", with_bandit=True)
    result = run_here(outputs, job)
    entries = victim.entries()
    assert [entry.parameters for entry in entries if isinstance(entry, Sampled)] == [
        trial.parameters for trial in undisturbed.trials
    ]
    for index, trial in enumerate(undisturbed.trials):
        values = [point.value for point in trial.metrics["score"]]
        found = histories(entries, index)
        assert found == values[: len(found)]
    assert job.early_termination is not None
    taken_again = decisions_of(entries, job.early_termination, job.objective)
    assert decided(entries) == [(trial, cut.interval, cut.reason) for trial, cut in taken_again]
    assert len(result.trials) == TRIALS
    assert result.best == undisturbed.best


#: Falls behind at once if `--lr` is below 0.9, and logs its best value after SIGTERM. The signal's
#: handler logs nothing, because the signal may arrive while the script writes to the store.
LAST_VALUE = """\
import argparse, pathlib, signal, sys, time
from logger import log_metric

parser = argparse.ArgumentParser()
parser.add_argument("--lr", type=float)
parser.add_argument("--checkpoints", type=pathlib.Path)
lr = parser.parse_args().lr
signals = []
signal.signal(signal.SIGTERM, lambda number, frame: signals.append(number))
step = 0
# Only SIGTERM ends a poor trial, however late the command reads its values.
while not signals and (step < 8 or lr < 0.9):
    step += 1
    if step <= 8:
        log_metric("score", lr, step)
    time.sleep(0.05)
if signals:
    time.sleep(0.5)
    log_metric("score", 5 + lr, 9)
    sys.exit(143)
"""


def test_values_that_a_cut_trial_logs_after_the_kill_are_kept_and_do_not_count(
    outputs: Path, code: Callable[..., Path]
) -> None:
    folder = code(LAST_VALUE)
    victim = Victim(outputs, rules(folder, "python", with_bandit=True))
    victim.wait_for(lambda entries: any(isinstance(entry, Decided) for entry in entries))
    victim.kill()
    cut = next(entry.trial for entry in victim.entries() if isinstance(entry, Decided))
    assert victim.left_behind() == []
    result = run_here(outputs, rules(folder, "python", with_bandit=True))
    trial = result.trials[cut]
    assert trial.status is JobStatus.CANCELED
    assert trial.best == trial.last == trial.parameters["lr"]
    assert trial.metrics["score"][-1].value == 5 + trial.parameters["lr"]
    assert len(trial.metrics["score"]) == trial.events + trial.late
    assert trial.late >= 1
    # Read again, the result is the same, and the sweep's run has the best value once.
    assert table(run_here(outputs, rules(folder, "python", with_bandit=True))) == table(result)
    run_id = description(victim.folder)["mlflow_run_id"]
    history = Tracking(outputs).history(run_id, "score")
    assert [point.value for point in history] == [
        result.best_trial.best if result.best_trial else None
    ]


def test_no_process_outlives_its_killed_supervisors(outputs: Path, folder: Path) -> None:
    victim = Victim(outputs, rules(folder, "python"))
    victim.wait_for(lambda entries: any(isinstance(entry, Started) for entry in entries))
    victim.kill_with_its_helpers()
    assert victim.left_behind() == []


def test_trials_lost_with_the_fork_server_say_so(
    outputs: Path, code: Callable[..., Path], tmp_path: Path
) -> None:
    victim = Victim(outputs, rules(code(gated(tmp_path / "gate")), "python"))
    victim.wait_for(lambda entries: any(isinstance(entry, Logged) for entry in entries))
    victim.kill_fork_server()
    (tmp_path / "gate").touch()
    assert victim.end() == 0
    ended = [entry for entry in victim.entries() if isinstance(entry, Ended)]
    assert len(ended) == TRIALS
    lost = [entry for entry in ended if entry.exit_code == 137]
    assert {entry.why for entry in lost} == {
        "the process that jobs are forked from was killed by signal 9"
    }
    whys = {description(outputs / "jobs" / f"sweep_{entry.trial}")["why"] for entry in lost}
    assert whys == {entry.why for entry in lost}


def test_processes_in_other_sessions_do_not_outlive_a_killed_sweep(
    outputs: Path, code: Callable[..., Path]
) -> None:
    apart = "import subprocess\nsubprocess.Popen(['sleep', '600'], start_new_session=True)\n"
    victim = Victim(outputs, rules(code(apart + SCRIPT), "python"))
    victim.wait_for(lambda entries: any(isinstance(entry, Logged) for entry in entries))
    victim.kill()
    assert victim.left_behind() == []


def test_a_sweep_with_an_empty_journal_does_not_restart(outputs: Path, folder: Path) -> None:
    job = rules(folder, "python")
    run_here(outputs, job)
    journal = outputs / "jobs" / "sweep" / "journal.jsonl"
    journal.write_text("", encoding="utf-8")
    with pytest.raises(OutputsError, match=r"damaged \(the file is empty"):
        run_here(outputs, job)


def states_of_runs(outputs: Path) -> set[str]:
    """Return how the runs of the sweep and its trials ended, as MLflow has it."""
    experiment = description(outputs / "jobs" / "sweep")["mlflow_experiment_id"]
    found = MlflowClient(Tracking(outputs).uri).search_runs([experiment])
    return {run.info.status for run in found}


#: Fails while a certain file exists.
FAILING = """\
import pathlib, sys
from logger import log_metric

log_metric("score", 1.0, 1)
sys.exit(pathlib.Path({full!r}).exists())
"""


def test_a_trial_that_fails_over_a_full_disk_runs_again(
    outputs: Path, tmp_path: Path, code: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    full = tmp_path / "full"
    job = sweep_job(
        f"{PYTHON} script.py {{{{search_space.x}}}}",
        {"x": choice(1, 2, 3)},
        code=code(FAILING.replace("{full!r}", repr(str(full)))),
    )
    usage = shutil.disk_usage(outputs)
    measured = lambda _: usage._replace(free=4096 if full.exists() else usage.free)  # noqa: E731
    monkeypatch.setattr(backend.shutil, "disk_usage", measured)
    full.touch()
    with pytest.raises(
        OutputsError, match=r"a trial has failed, and .* has only 4096 bytes left; delete files"
    ):
        run_here(outputs, job)
    full.unlink()
    result = run_here(outputs, job)
    assert [trial.status for trial in result.trials] == [JobStatus.COMPLETED] * 3
    assert states_of_runs(outputs) == {"FINISHED"}


def test_a_trial_that_was_not_closed_is_closed_by_the_next_command(
    outputs: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job, end = rules(folder, "python"), Tracking.end

    def killed(*_: object) -> None:
        # The files are as after a kill.
        monkeypatch.setattr(Tracking, "end", end)
        raise OutputsError("killed")

    monkeypatch.setattr(Tracking, "end", killed)
    with pytest.raises(OutputsError, match="killed"):
        run_here(outputs, job)
    assert run_here(outputs, job).status is JobStatus.COMPLETED
    assert states_of_runs(outputs) == {"FINISHED"}


def test_a_second_command_on_the_same_sweep_is_refused(
    outputs: Path, code: Callable[..., Path], tmp_path: Path
) -> None:
    folder = code(gated(tmp_path / "gate"))
    victim = Victim(outputs, rules(folder, "python"))
    victim.wait_for(lambda entries: any(isinstance(entry, Started) for entry in entries))
    # The check refuses the second command before this command writes a record.
    with pytest.raises(RefusedError, match="another command is running"):
        LocalWorkspace(outputs).check(rules(folder, "python"), Watcher())
    with pytest.raises(RefusedError, match="another command is running"):
        run_here(outputs, rules(folder, "python"))
    (tmp_path / "gate").touch()
    # The first one never notices.
    assert victim.end() == 0
    entries = victim.entries()
    # The result of a sweep that has ended is read, and nothing runs.
    assert len(run_here(outputs, rules(folder, "python")).trials) == TRIALS
    assert victim.entries() == entries


def test_a_sweep_does_not_resume_with_other_rules(outputs: Path, folder: Path) -> None:
    victim = Victim(outputs, rules(folder, "python"))
    victim.kill_at_random(1)
    with pytest.raises(RefusedError, match=r"^early_termination: must stay null"):
        run_here(outputs, rules(folder, "python", with_bandit=True))


#: Files in a trial's folder: the checkpoint, and a sign that the script runs.
KEPT = Path("named_outputs", "checkpoints", "step")
BEGUN = KEPT.with_name("begun")
#: Logs without steps although it has a checkpoint; waits at two points.
STEPLESS = """\
import argparse, pathlib, time
from logger import log_metric

parser = argparse.ArgumentParser()
parser.add_argument("--lr", type=float)
parser.add_argument("--checkpoints", type=pathlib.Path)
arguments = parser.parse_args()
kept = arguments.checkpoints / "step"
print("found", kept.exists(), flush=True)
kept.with_name("begun").write_text("yes")
while not pathlib.Path({begin!r}).exists():
    time.sleep(0.01)
for step in range(1, 5):
    log_metric("score", arguments.lr * step)
    kept.write_text(str(step))
    while step == 3 and not pathlib.Path({gate!r}).exists():
        time.sleep(0.01)
"""


@pytest.mark.parametrize("is_journaled", [True, False])
def test_values_without_steps_do_not_count_twice(
    outputs: Path, tmp_path: Path, code: Callable[..., Path], *, is_journaled: bool
) -> None:
    begin, gate = tmp_path / "begin", tmp_path / "gate"
    folder = code(
        STEPLESS.replace("{begin!r}", repr(str(begin))).replace("{gate!r}", repr(str(gate)))
    )
    victim = Victim(outputs, rules(folder, "python"))
    trials = [victim.folder.with_name(f"sweep_{trial}") for trial in (0, 1)]
    if is_journaled:
        begin.touch()
        victim.wait_for(lambda found: sum(isinstance(entry, Logged) for entry in found) >= 6)
    else:
        # Not as soon as the journal has their starts: a command stopped then would not start them.
        wait_for_text([trial / BEGUN for trial in trials], "yes")
        victim.stop()
        begin.touch()
        wait_for_text([trial / KEPT for trial in trials], "3")
        assert not any(isinstance(entry, Logged) for entry in victim.entries())
    victim.kill()
    assert victim.left_behind() == []
    gate.touch()
    result = run_here(outputs, rules(folder, "python"))
    assert [trial.events for trial in result.trials] == [4] * TRIALS
    for trial in result.trials:
        values = [point.value for point in trial.metrics["score"]]
        assert values == [trial.parameters["lr"] * step for step in range(1, 5)]
    again = [entry.again for entry in victim.entries() if isinstance(entry, Resumed)]
    assert again == [(0, 1)]
    beside = outputs / "jobs" / "sweep_0" / "named_outputs_before" / "checkpoints" / "step"
    assert beside.read_text() == "3"
