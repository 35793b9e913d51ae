import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from mnist_exp.errors import JobError
from mnist_exp.results import JobResult
from mnist_exp.specs import OutputSpec, PathInput, SweepJob
from mnist_exp.status import JobStatus
from mnist_exp.workspaces.local.processes.job_orphans import find_processes, of_sweep
from mnist_exp.workspaces.local.tracking.store import Tracking
from mnist_exp.workspaces.local.workspace import LocalWorkspace
from tests.support.small_jobs import PYTHON, choice, description, sweep_job
from tests.support.waiting import eventually
from tests.support.watching import Interrupting, Watcher

Code = Callable[..., Path]

#: Python with an option, which no fork can have.
PYTHON_WITH_HOOK = "python -u"

#: `--score 0.5,0.25` is logged; `--end` is an exit code, or what Python does at the end.
SCRIPT = """\
import signal, sys
from logger import log_metric

score, end = sys.argv[2], sys.argv[4]
for value in filter(None, score.split(",")):
    log_metric("score", float(value))
print("the last line of", score)
if end == "wait":
    signal.pause()
sys.exit(int(end))
"""

COMMAND = "script.py --score {{search_space.score}} --end {{search_space.end}}"


class LocalSweeps:
    """Sweeps of a workspace, with their folders and their MLflow runs."""

    def __init__(self, workspace: LocalWorkspace, outputs: Path, uri: str, code: Path) -> None:
        self.workspace = workspace
        self.folder = outputs / "jobs"
        self.client = MlflowClient(tracking_uri=uri, registry_uri=uri)
        self.watcher = Watcher()
        self.code = code

    def run(self, space: dict[str, Any], command: str = COMMAND, **changes: Any) -> JobResult:
        """Run a sweep to its end."""
        job = sweep_job(command, space, **{"code": self.code, **changes})
        self.workspace.submit(job)
        return self.workspace.watch(job.name, self.watcher)

    def trials(self, *scores: str, end: str = "0", **changes: Any) -> JobResult:
        """Run a sweep with a trial for each text of values to log."""
        return self.run({"score": choice(*scores), "end": choice(end)}, **changes)

    def tracked(self, name: str = "sweep") -> Run:
        """The MLflow run of the sweep or of a trial."""
        return self.client.get_run(description(self.folder / name)["mlflow_run_id"])


@pytest.fixture
def sweeps(workspace: LocalWorkspace, outputs: Path, tracking: Tracking, code: Code) -> LocalSweeps:
    return LocalSweeps(workspace, outputs, tracking.uri, code(SCRIPT))


def statuses(result: JobResult) -> list[str]:
    return [trial.status.value for trial in result.trials]


def test_grid_tries_every_combination_and_finds_the_best(sweeps: LocalSweeps) -> None:
    command = "script.py --score {{search_space.a}}{{search_space.b}} --end {{inputs.end}}"
    space = {"a": choice("0.1,0", "0.2,0"), "b": choice(".3", ".7")}
    result = sweeps.run(space, command, inputs={"end": 0})
    assert [dict(trial.parameters) for trial in result.trials] == [
        {"a": "0.1,0", "b": ".3"},
        {"a": "0.1,0", "b": ".7"},
        {"a": "0.2,0", "b": ".3"},
        {"a": "0.2,0", "b": ".7"},
    ]
    assert [trial.name for trial in result.trials] == [f"sweep_{index}" for index in range(4)]
    assert (result.status, set(statuses(result))) == (JobStatus.COMPLETED, {"Completed"})
    # Of equals the lowest index.
    assert result.best == "sweep_1"
    assert result.parameters == {"a": "0.1,0", "b": ".7"}
    assert result.last_metrics == {"score": 0.7}


def test_a_sweep_registers_the_named_model_of_its_best_trial_once(sweeps: LocalSweeps) -> None:
    outputs = {"model": OutputSpec("custom_model", name="weights"), "other": OutputSpec()}
    for _ in range(2):
        # The second command only reads the result from the journal.
        assert sweeps.trials("0.1", "0.5", outputs=outputs).best == "sweep_1"
        model = sweeps.workspace.find_model("weights")
        assert model is not None
        assert (model.version, model.job) == ("1", "sweep_1")
        assert Path(model.path) == sweeps.folder / "sweep_1" / "named_outputs" / "model"


def test_a_sweep_registers_no_model_of_a_trial_that_failed(sweeps: LocalSweeps) -> None:
    outputs = {"model": OutputSpec("custom_model", name="weights")}
    space = {"score": choice("0.5", "0.1"), "end": choice("1", "0")}
    command = "script.py --score {{search_space.score}} --end {{search_space.end}}"
    assert sweeps.run(space, command, outputs=outputs).best == "sweep_0"
    assert sweeps.workspace.find_model("weights") is None
    line = "named_outputs/model of sweep_0 is not registered as the model weights, because "
    assert f"{line}this trial is Failed" in sweeps.watcher.messages


def test_a_trials_score_is_the_best_of_its_history(sweeps: LocalSweeps) -> None:
    result = sweeps.trials("0.9,0.1", "0.5,0.6")
    assert [(trial.best, trial.last, trial.events) for trial in result.trials] == [
        (0.9, 0.1, 2),
        (0.6, 0.6, 2),
    ]
    assert result.best == "sweep_0"


@pytest.mark.parametrize("rule", ["random", "sobol"])
def test_a_seed_repeats_the_values(sweeps: LocalSweeps, rule: str) -> None:
    sweep = {"sampling_algorithm": {"type": "random", "seed": 7, "rule": rule}}
    space = {"lr": {"type": "loguniform", "min_value": -6, "max_value": -1}}
    drawn = []
    for name in ("first", "second"):
        result = sweeps.run(
            space,
            "script.py --score {{search_space.lr}} --end 0",
            name=name,
            sweep=sweep,
            limits={"max_total_trials": 3, "max_concurrent_trials": 3},
        )
        drawn.append([trial.parameters["lr"] for trial in result.trials])
        # What the script was told is what was drawn, to the last digit.
        assert [trial.best for trial in result.trials] == drawn[-1]
    assert drawn[0] == drawn[1]
    assert len(set(drawn[0])) == 3
    assert all(0.00247 < float(value) < 0.368 for value in drawn[0])


def test_no_more_trials_at_once_than_allowed(sweeps: LocalSweeps, tmp_path: Path) -> None:
    # Each trial waits for a second one to have begun, so that two do run side by side, and then
    # takes so long that a third one would begin if it could.
    events = tmp_path / "events"
    events.write_text("")
    command = (
        f"echo + >> {events}; until [ $(grep -c + {events}) -ge 2 ]; do :; done; "
        f"sleep 0.4; echo - >> {events}; : {{{{search_space.x}}}}"
    )
    result = sweeps.run({"x": choice(*range(4))}, command)
    assert statuses(result) == ["Completed"] * 4
    running = most = 0
    for event in events.read_text().split():
        running += 1 if event == "+" else -1
        most = max(most, running)
    assert (running, most) == (0, 2)


BANDIT = {"early_termination": {"type": "bandit", "slack_factor": 0.1, "evaluation_interval": 1}}


def test_a_cut_trial_is_canceled_and_counts(sweeps: LocalSweeps) -> None:
    result = sweeps.run(
        {"score": choice("0.9", "0.1", "0.8"), "end": choice("wait")},
        command="script.py --score {{search_space.score}} --end "
        "$( [ {{search_space.score}} = 0.1 ] && echo {{search_space.end}} || echo 0 )",
        sweep=BANDIT,
        limits={"max_total_trials": 2, "max_concurrent_trials": 1},
    )
    assert statuses(result) == ["Completed", "Canceled"]
    cut = result.trials[1]
    assert cut.why.startswith("cut at interval 1: ")
    assert (cut.best, cut.events) == (0.1, 1)
    assert result.status is JobStatus.COMPLETED
    assert description(sweeps.folder / "sweep_1")["status"] == "Canceled"
    assert description(sweeps.folder / "sweep_1")["why"] == cut.why
    assert sweeps.tracked("sweep_1").info.status == "KILLED"
    assert any("trial 1 cut at interval 1" in text for text in sweeps.watcher.messages)


def test_a_failed_trial_does_not_stop_the_others(sweeps: LocalSweeps) -> None:
    result = sweeps.run(
        {"score": choice("0.5", "0.1", "0.7"), "end": choice("0")},
        command="script.py --score {{search_space.score}} --end {{search_space.end}}; "
        "[ {{search_space.score}} != 0.1 ] || exit 4",
    )
    assert statuses(result) == ["Completed", "Failed", "Completed"]
    assert (result.status, result.best) == (JobStatus.COMPLETED, "sweep_2")
    assert result.trials[1].why == "exit code 4: the last line of 0.1"
    assert result.trials[1].best == 0.1
    assert sweeps.tracked("sweep_1").info.status == "FAILED"
    assert sweeps.tracked().info.status == "FINISHED"
    assert (result.log, result.log_tail) == (None, ())


def test_a_failed_trial_can_be_best_with_a_warning(sweeps: LocalSweeps) -> None:
    result = sweeps.trials("0.9", end="3")
    assert result.best == "sweep_0"
    assert any("may have saved no model" in text for text in result.warnings)


def test_when_all_fail_the_sweep_shows_the_first_ones_log(sweeps: LocalSweeps) -> None:
    # The first trial ends only after the job of the other one has been closed.
    result = sweeps.run(
        {"score": choice("0.5", "0.6"), "end": choice("3")},
        command="[ {{search_space.score}} != 0.5 ] || until [ -e ../../sweep_1/outputs/end ] "
        "&& [ ! -e ../../sweep_1/wd ]; do :; done; "
        # The first trial prints nothing.
        "[ {{search_space.score}} != 0.5 ] || exit 5; "
        f"{PYTHON} {COMMAND}; code=$?; touch outputs/end; exit $code",
    )
    assert (result.status, statuses(result)) == (JobStatus.FAILED, ["Failed", "Failed"])
    assert result.why == "all 2 trials failed; the first failed trial: exit code 5"
    assert list(result.log_tail) == []
    assert result.log == str(sweeps.folder / "sweep_0" / "user_logs" / "std_log.txt")
    assert sweeps.tracked().info.status == "FAILED"


def test_without_the_primary_metric_there_is_a_hint_and_no_best(sweeps: LocalSweeps) -> None:
    objective = {"primary_metric": "Score", "goal": "maximize"}
    result = sweeps.trials("0.5", "0.6", sweep={"objective": objective})
    assert (result.status, result.best) == (JobStatus.COMPLETED, None)
    assert (result.parameters, result.metrics) == ({}, {})
    assert len(result.warnings) == 1
    assert "no trial logged 'Score'" in result.warnings[0]
    assert "the logged metrics are: score" in result.warnings[0]
    assert "best_child_run_id" not in sweeps.tracked().data.tags


def test_the_best_trial_is_the_smallest_when_minimizing(sweeps: LocalSweeps) -> None:
    objective = {"primary_metric": "score", "goal": "minimize"}
    assert sweeps.trials("0.5,0.2", "0.3", sweep={"objective": objective}).best == "sweep_0"


def test_runs_are_nested_and_the_parent_has_the_result(sweeps: LocalSweeps) -> None:
    sweeps.trials("0.5", "0.6")
    parent = sweeps.tracked()
    assert parent.data.tags["azureml.runType"] == "sweep"
    assert parent.data.tags["best_child_run_id"] == "sweep_1"
    assert parent.data.tags["score"] == "0.6"
    assert parent.data.tags["space_size"] == "2"
    assert parent.data.tags["best_data_container_id"] == "dcid.sweep_1"
    assert json.loads(parent.data.tags["primary_metric_config"]) == {
        "name": "score",
        "goal": "maximize",
    }
    assert parent.data.metrics == {"score": 0.6}
    assert parent.data.params == {"score": "0.6", "end": "0"}
    for index, score in enumerate(("0.5", "0.6")):
        trial = sweeps.tracked(f"sweep_{index}")
        assert trial.data.tags["mlflow.parentRunId"] == parent.info.run_id
        assert trial.data.tags["azureml.sweep"] == "sweep"
        assert trial.data.params == {"score": score, "end": "0"}
        assert trial.info.run_name == f"{index}: {score}, 0"
        assert trial.info.experiment_id == parent.info.experiment_id


def test_a_trials_environment_names_its_sweep_and_its_values(sweeps: LocalSweeps) -> None:
    space = {"lr": choice(0.5), "model.neurons": choice(65.0)}
    result = sweeps.run(
        space, "env; echo typed={{search_space.model.neurons}}", inputs={"epochs": 3}
    )
    log = (sweeps.folder / "sweep_0" / "user_logs" / "std_log.txt").read_text()
    seen = dict(line.split("=", 1) for line in log.splitlines() if "=" in line)
    assert seen["AZUREML_RUN_ID"] == "sweep_0"
    assert seen["AZUREML_ROOT_RUN_ID"] == "sweep"
    assert seen["AZUREML_SWEEP_lr"] == "0.5"
    assert seen["AZUREML_PARAMETER_epochs"] == "3"
    # What a quniform draws is a float, and a script reads it as a whole number.
    assert (seen["typed"], seen["AZUREML_SWEEP_model__neurons"]) == ("65", "65")
    assert repr(result.trials[0].parameters["model.neurons"]) == "65.0"
    assert seen["MLFLOW_RUN_ID"] == sweeps.tracked("sweep_0").info.run_id


def test_each_trial_keeps_its_own_files(sweeps: LocalSweeps) -> None:
    sweeps.run({"x": choice("one", "two")}, "echo {{search_space.x}} > outputs/x; echo > other")
    for index, text in enumerate(("one", "two")):
        folder = sweeps.folder / f"sweep_{index}"
        assert (folder / "outputs" / "x").read_text() == f"{text}\n"
        assert not (folder / "wd").exists()


def test_trial_timeout_cancels_that_trial_alone(sweeps: LocalSweeps) -> None:
    result = sweeps.run(
        {"score": choice("0.5", "0.6"), "end": choice("wait")},
        command="script.py --score {{search_space.score}} --end "
        "$( [ {{search_space.score}} = 0.5 ] && echo {{search_space.end}} || echo 0 )",
        limits={"trial_timeout": 5},
    )
    assert statuses(result) == ["Canceled", "Completed"]
    assert result.trials[0].why == "canceled: trial timeout of 5 s"
    assert (result.status, result.best) == (JobStatus.COMPLETED, "sweep_1")


def test_timeout_cancels_the_sweep_and_starts_no_more(sweeps: LocalSweeps) -> None:
    result = sweeps.trials("0.5", "0.6", "0.7", end="wait", limits={"timeout": 1})
    assert statuses(result) == ["Canceled", "Canceled"]
    assert (result.status, result.why) == (JobStatus.CANCELED, "sweep timeout of 1 s")
    assert sweeps.tracked().info.status == "KILLED"
    # Slow machines may cut them before they log.
    assert {trial.events for trial in result.trials} <= {0, 1}


def test_an_interrupt_cancels_all_trials_and_is_recorded(sweeps: LocalSweeps) -> None:
    sweeps.watcher = Interrupting(2)
    with pytest.raises(KeyboardInterrupt):
        sweeps.trials("0.5", "0.6", "0.7", end="wait")
    assert sweeps.tracked().info.status == "KILLED"
    assert sorted(path.name for path in sweeps.folder.iterdir()) == ["sweep", "sweep_0", "sweep_1"]
    for index in range(2):
        assert description(sweeps.folder / f"sweep_{index}")["status"] == "Canceled"
        assert sweeps.tracked(f"sweep_{index}").info.status == "KILLED"
        assert not (sweeps.folder / f"sweep_{index}" / "wd").exists()


def test_a_sweep_without_its_code_starts_nothing(sweeps: LocalSweeps) -> None:
    with pytest.raises(JobError, match=r"job\.code: must be a folder"):
        sweeps.run({"x": choice(1)}, "true", code=sweeps.code / "nowhere")
    assert not (sweeps.folder / "sweep" / "journal.jsonl").exists()


def test_a_trial_that_cannot_be_started_is_failed(sweeps: LocalSweeps) -> None:
    gone = {"data": PathInput(sweeps.code / "gone", mode="direct")}
    result = sweeps.run({"x": choice(1)}, "true", inputs=gone)
    assert (result.status, statuses(result)) == (JobStatus.FAILED, ["Failed"])
    assert str(sweeps.code / "gone") in result.trials[0].why


def test_code_that_no_trial_could_run_refuses_the_sweep(sweeps: LocalSweeps) -> None:
    # What a job writes to `outputs` is kept: it cannot be a file.
    (sweeps.code / "outputs").write_text("")
    with pytest.raises(JobError) as caught:
        sweeps.run({"x": choice(1)}, "true")
    assert str(caught.value).startswith("job.code: outputs must be a folder")
    assert f"got the file {sweeps.code / 'outputs'}; rename the file" in str(caught.value)
    assert not list((sweeps.folder / "sweep").glob("code*"))


#: Prints the ids of the processes above the trial.
ANCESTORS = "import psutil; print(*(one.pid for one in psutil.Process().parents()))"


@pytest.fixture
def prefetched(sweeps: LocalSweeps) -> SweepJob:
    """A sweep whose fork server has started before the sweep is submitted."""
    (sweeps.code / "script.py").write_text(ANCESTORS, encoding="utf-8")
    job = sweep_job("python script.py", {"x": choice(1, 2)}, code=sweeps.code)
    sweeps.workspace.prefetch(job, None, Watcher())
    eventually(lambda: servers(sweeps))
    return job


def servers(sweeps: LocalSweeps) -> list[int]:
    """Return the ids of the processes of the sweep."""
    return find_processes(of_sweep(sweeps.folder / "sweep"))


def test_the_trials_of_a_prefetched_sweep_are_forked_from_the_early_server(
    sweeps: LocalSweeps, prefetched: SweepJob
) -> None:
    (server,) = servers(sweeps)
    sweeps.workspace.submit(prefetched)
    result = sweeps.workspace.watch("sweep", Watcher())
    assert statuses(result) == ["Completed", "Completed"]
    for trial in result.trials:
        log = sweeps.folder / trial.name / "user_logs" / "std_log.txt"
        assert str(server) in log.read_text().split()


def test_a_prefetched_sweep_that_never_runs_leaves_nothing(
    sweeps: LocalSweeps, prefetched: SweepJob
) -> None:
    sweeps.workspace.close()
    assert servers(sweeps) == []
    assert list(sweeps.folder.iterdir()) == []


def test_the_observer_sees_trials_come_and_go(sweeps: LocalSweeps) -> None:
    sweeps.trials("0.5", "0.6", limits={"max_concurrent_trials": 1})
    seen = [
        [(trial.status.value, trial.events) for trial in job.trials] for job in sweeps.watcher.seen
    ]
    assert seen[0] == [("Running", 0)]
    assert [("Completed", 1), ("Running", 0)] in seen
    assert seen[-1] == [("Completed", 1), ("Completed", 1)]
    assert sweeps.watcher.seen[-1].status is JobStatus.COMPLETED
    assert all(job.status is JobStatus.RUNNING for job in sweeps.watcher.seen[:-1])


#: Logs a value, and then changes the user's own copy of the script.
CHANGING = """\
import sys
from pathlib import Path
from logger import log_metric

log_metric("score", 1.0)
own = Path(sys.argv[2])
own.write_text(own.read_text().replace("1.0", "2.0"))
"""


def test_all_trials_run_the_code_that_the_sweep_began_with(sweeps: LocalSweeps) -> None:
    script = sweeps.code / "script.py"
    script.write_text(CHANGING)
    space = {"n": choice(1, 2, 3)}
    command = "script.py --own {{inputs.own}} {{search_space.n}}"
    result = sweeps.run(space, command, inputs={"own": str(script)})
    assert [trial.best for trial in result.trials] == [1.0, 1.0, 1.0]
    assert "2.0" in script.read_text()


def test_the_journal_has_expressions_within_a_choice_whole(sweeps: LocalSweeps) -> None:
    own = {"kind": "a", "rate": {"type": "uniform", "min_value": 0, "max_value": 1}}
    random = {"sampling_algorithm": {"type": "random"}}
    sweeps.run({"n": choice(own)}, "true", sweep=random, limits={"max_total_trials": 1})
    created = json.loads((sweeps.folder / "sweep" / "journal.jsonl").read_text().splitlines()[0])
    assert created["sweep"]["search_space"]["n"]["values"] == [own]


#: A way to fail -> the reason.
FAILURES = {
    "raise ValueError('no digit')": "exit code 1: ValueError: no digit",
    "raise NotImplementedError": "exit code 1: NotImplementedError",
    "sys.exit('no such file')": "exit code 1: no such file",
    "print('bad'); sys.exit(3)": "exit code 3: bad",
    "os.kill(os.getpid(), 9)": "exit code 137 (SIGKILL, e.g. because the memory was full)",
    "raise KeyboardInterrupt": "exit code 130 (SIGINT): KeyboardInterrupt",
}


@pytest.mark.parametrize("python", ["python", PYTHON_WITH_HOOK], ids=["forked", "plain"])
def test_each_failed_trial_has_a_reason_of_its_own(sweeps: LocalSweeps, python: str) -> None:
    (sweeps.code / "script.py").write_text("import os, sys\nexec(sys.argv[1])\n")
    job = f"{python} script.py {{{{search_space.code}}}}"
    result = sweeps.run({"code": choice(*FAILURES)}, job)
    assert [trial.why for trial in result.trials] == list(FAILURES.values())
    assert not list(sweeps.folder.glob("*/*.failure"))


def test_a_running_trial_has_the_steps_that_its_script_logged(sweeps: LocalSweeps) -> None:
    script = sweeps.code / "script.py"
    script.write_text(
        "from logger import log_metric\nfor step in (10, 20): log_metric('score', 0.5, step)\n"
    )
    sweeps.run({"n": choice(1)}, "script.py {{search_space.n}}")
    running = [
        [point.step for point in trial.metrics["score"]]
        for job in sweeps.watcher.seen
        for trial in job.trials
        if trial.status is JobStatus.RUNNING
    ]
    assert running == [[], [10], [10, 20]]


def test_trials_that_write_to_a_ro_mount_are_named(sweeps: LocalSweeps, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "digits").write_text("1 2 3")
    command = (
        "cat {{inputs.data}}/digits; [ {{search_space.x}} = 1 ] || "
        "{ chmod u+w {{inputs.data}}; echo 4 > {{inputs.data}}/more; }"
    )
    result = sweeps.run({"x": choice(0, 1, 2)}, command, inputs={"data": PathInput(data)})
    assert statuses(result) == ["Completed"] * 3
    (line,) = [line for line in result.warnings if "wrote to its input" in line]
    assert line.startswith("trials 0, 2: the script wrote to its input data; ")
    for trial in result.trials:
        assert Path(str(trial.log)).read_text() == "1 2 3"
    left = {path.name for folder in sweeps.folder.iterdir() for path in folder.iterdir()}
    assert "inputs" not in left
    assert [path.name for path in data.iterdir()] == ["digits"]
