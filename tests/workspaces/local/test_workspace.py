import errno
import json
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from mnist_exp.config import (
    ArgumentStyle,
    ComputeConfig,
    ComputeType,
    DistributionConfig,
    DistributionType,
)
from mnist_exp.errors import JobError, NotFoundError, OutputsError, RefusedError
from mnist_exp.results import JobResult
from mnist_exp.specs import ModelSpec, OutputSpec, PathInput
from mnist_exp.status import JobStatus
from mnist_exp.workspaces.local.tracking.store import Tracking
from mnist_exp.workspaces.local.workspace import LocalWorkspace
from tests.support.local_jobs import LocalJobs
from tests.support.small_jobs import command_job, description, files_below
from tests.support.watching import Interrupting, Watcher

Code = Callable[..., Path]

#: Runs until it is asked to end, and ends at once then.
WAITING = "tail -f /dev/null & wait"


# The end of a job.


def test_a_job_that_exits_0_is_completed(jobs: LocalJobs) -> None:
    result = jobs.run("echo fine")
    assert (result.status, result.why, result.log_tail) == (JobStatus.COMPLETED, "", ())
    assert jobs.tracked().info.status == "FINISHED"
    assert description(jobs.folder())["status"] == "Completed"
    assert jobs.log() == "fine\n"


def test_a_job_with_another_exit_code_is_failed_with_its_last_lines(jobs: LocalJobs) -> None:
    result = jobs.run("seq 100; exit 3")
    assert result.status is JobStatus.FAILED
    assert result.why == "the script ended with exit code 3: 100"
    assert list(result.log_tail) == [str(number) for number in range(81, 101)]
    assert result.log == str(jobs.folder() / "user_logs" / "std_log.txt")
    assert jobs.tracked().info.status == "FAILED"


@pytest.mark.parametrize("index", [0, 1])
def test_a_worker_that_fails_is_named(jobs: LocalJobs, index: int) -> None:
    command = f'case "$TF_CONFIG" in *\'"index": {index}\'*) exit 3;; *) sleep 60;; esac'
    result = jobs.run(command, distribution=DistributionConfig(DistributionType.tensorflow, 2))
    assert result.why == f"the script of worker {index} ended with exit code 3"


def test_the_observer_is_idle_once_for_a_job_that_takes_longer(
    jobs: LocalJobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    def idle() -> None:
        jobs.watcher.idles += 1
        (jobs.folder() / "wd" / "go").touch()

    monkeypatch.setattr(jobs.watcher, "idle", idle)
    assert jobs.run("while ! [ -e go ]; do :; done").status is JobStatus.COMPLETED
    assert jobs.watcher.idles == 1


def test_the_last_warning_of_a_script_is_reported(jobs: LocalJobs) -> None:
    result = jobs.run("echo warning: one; echo warning: two; echo no warning: three")
    assert result.warnings == ["the script's last warning: two"]


@pytest.mark.parametrize(
    "words", [os.strerror(errno.ENOSPC), "(sqlite3.OperationalError) database or disk is full"]
)
def test_a_job_that_found_the_disk_full_says_what_to_do(jobs: LocalJobs, words: str) -> None:
    result = jobs.run(f"echo '{words}: x' >&2; exit 1")
    assert result.why == (
        f"the script ended with exit code 1; the disk of {jobs.folder()} is full; "
        "make space there, or choose another outputs_dir"
    )


def test_an_output_with_a_name_is_a_model_that_a_later_job_reads(jobs: LocalJobs) -> None:
    outputs = {"model": OutputSpec("custom_model", name="weights")}
    for text in ("old", "new"):
        jobs.run(f"echo {text} > {{{{outputs.model}}}}/w", name=text, outputs=outputs)
    assert "named_outputs/model is registered as the model weights:2" in jobs.watcher.messages
    inputs = {
        name: PathInput(f"azureml:weights{version}", "custom_model")
        for name, version in (("old", ":1"), ("new", "@latest"))
    }
    result = jobs.run("cat {{inputs.old}}/w {{inputs.new}}/w", inputs=inputs)
    assert (result.status, jobs.log()) == (JobStatus.COMPLETED, "old\nnew\n")
    missing = {"model": PathInput("azureml:weights:9", "custom_model")}
    with pytest.raises(NotFoundError, match="weights:9"):
        jobs.run("true", name="missing", inputs=missing)


@pytest.mark.parametrize(
    ("command", "status", "warnings"),
    [
        ("python -c 'raise ValueError(1)' | cat", JobStatus.COMPLETED, 1),
        ("set -o pipefail; python -c 'raise ValueError(1)' | cat", JobStatus.FAILED, 0),
        ("python -c 'import nothing' || echo install", JobStatus.COMPLETED, 0),
    ],
)
def test_a_failure_in_a_pipe_is_a_warning(
    jobs: LocalJobs, command: str, status: JobStatus, warnings: int
) -> None:
    result = jobs.run(command)
    assert (result.status, len(result.warnings)) == (status, warnings)
    assert all("failed: ValueError: 1; begin the command with" in one for one in result.warnings)


def test_a_script_gets_values_for_hydra_and_the_paths_of_its_inputs(
    jobs: LocalJobs, code: Code
) -> None:
    folder = code(
        "import json, os, sys\n"
        "paths = [os.environ[f'AZURE_ML_{name}'] for name in ('INPUT_data', 'OUTPUT_model')]\n"
        "print(json.dumps([sys.argv[1:], [os.path.basename(path) for path in paths]]))\n"
    )
    jobs.run(
        "script.py note={{inputs.note}} sign={{inputs.sign}}",
        code=folder,
        argument_style=ArgumentStyle.key_value,
        inputs={"note": "it's a, b", "sign": "-5e-05", "data": PathInput(folder)},
        outputs={"model": OutputSpec("mlflow_model")},
    )
    assert json.loads(jobs.log()) == [
        ["note='it\\'s a, b'", "sign=-5e-05"],
        ["data", "model"],
    ]
    assert (jobs.folder() / "named_outputs" / "model").is_dir()


def test_metrics_of_a_failed_job_are_kept(jobs: LocalJobs, code: Code) -> None:
    folder = code(
        "from logger import log_metric\n"
        "log_metric('score', 0.5)\n"
        "log_metric('score', 0.25)\n"
        "log_metric('loss', 2.0, 7)\n"
        "raise SystemExit(3)\n"
    )
    result = jobs.run("script.py", code=folder)
    assert result.status is JobStatus.FAILED
    assert [point.value for point in result.metrics["score"]] == [0.5, 0.25]
    assert [(point.value, point.step) for point in result.metrics["loss"]] == [(2.0, 7)]
    assert result.last_metrics == {"score": 0.25, "loss": 2.0}


REAL_MLFLOW = """\
import sys
import mlflow

with mlflow.start_run() as run:
    mlflow.log_param("lr", "mine")
    mlflow.log_metric("score", 0.5)
    mlflow.log_metric("score", float("nan"))
    mlflow.log_metric("loss", float("-inf"))
    mlflow.log_text("hello", "note.txt")
mlflow.end_run()
print(run.info.run_id, run.info.experiment_id)
sys.exit(3)
"""

#: Writes the same row as `mlflow.end_run("FAILED")`.
FAILED_IN_MLFLOW = """import os, sqlite3
from urllib.parse import unquote
store = unquote(os.environ["MLFLOW_TRACKING_URI"].removeprefix("sqlite:///"))
with sqlite3.connect(store, timeout=60) as database:
    changed = database.execute(
        "UPDATE runs SET status = 'FAILED', end_time = 1 WHERE run_uuid = ?",
        [os.environ["MLFLOW_RUN_ID"]],
    )
    assert changed.rowcount == 1
"""


def test_exit_code_0_completes_a_run_that_failed_in_mlflow(jobs: LocalJobs, code: Code) -> None:
    result = jobs.run("script.py", code=code(FAILED_IN_MLFLOW))
    assert result.status is JobStatus.COMPLETED, jobs.log()
    assert jobs.tracked().info.status == "FINISHED"


def test_exit_code_3_fails_a_run_that_finished_in_mlflow(jobs: LocalJobs, code: Code) -> None:
    inputs = {"lr": 0.5, "epochs": 3}
    result = jobs.run("python script.py", code=code(REAL_MLFLOW), inputs=inputs)
    assert result.status is JobStatus.FAILED, jobs.log()
    run = jobs.tracked()
    assert run.info.status == "FAILED"
    # mlflow.start_run() resumed the job's own run, in the job's experiment.
    assert jobs.log().splitlines()[-1] == f"{run.info.run_id} {run.info.experiment_id}"
    assert jobs.client.get_experiment(run.info.experiment_id).name == "experiment"
    assert result.metrics["score"][0].value == 0.5
    assert len(result.metrics["score"]) == 2
    assert [point.value for point in result.metrics["loss"]] == [float("-inf")]
    # A parameter that the script logged stays; the others are added.
    assert run.data.params == {"lr": "mine", "epochs": "3"}
    assert {entry.path for entry in jobs.client.list_artifacts(run.info.run_id)} >= {"note.txt"}


def test_parameters_are_logged_for_a_script_that_does_not(jobs: LocalJobs, tmp_path: Path) -> None:
    inputs = {"lr": 0.5, "name": "x", "data": PathInput(tmp_path, mode="direct")}
    result = jobs.run("true", inputs=inputs)
    assert jobs.tracked().data.params == {"lr": "0.5", "name": "x"}
    assert result.parameters == {"lr": 0.5, "name": "x"}


def test_job_timeout_cancels(jobs: LocalJobs) -> None:
    result = jobs.run(WAITING, timeout=0)
    assert result.status is JobStatus.CANCELED
    assert result.why == "canceled after job.timeout (0 s)"
    assert jobs.tracked().info.status == "KILLED"


def test_an_interrupt_cancels_and_is_recorded(jobs: LocalJobs, code: Code) -> None:
    jobs.watcher = Interrupting()
    folder = code(
        "import os, pathlib, signal\n"
        "from logger import log_metric\n"
        "pathlib.Path('outputs', 'pid').write_text(str(os.getpid()))\n"
        "log_metric('score', 0.5)\n"
        "signal.pause()\n"
    )
    with pytest.raises(KeyboardInterrupt):
        jobs.run("script.py", code=folder)
    assert description(jobs.folder())["status"] == "Canceled"
    assert description(jobs.folder())["why"] == "canceled by the user"
    assert jobs.tracked().info.status == "KILLED"
    assert files_below(jobs.folder()) == [
        ".lock",
        "artifacts/outputs/pid",
        "artifacts/user_logs/std_log.txt",
        "job.json",
        "user_logs/std_log.txt",
    ]
    with pytest.raises(ProcessLookupError):
        os.kill(int((jobs.folder() / "outputs" / "pid").read_text()), 0)


class FailingObserver(Watcher):
    """Fails at the first report."""

    def job_changed(self, job: JobResult) -> None:
        raise ValueError("no display")


def test_a_job_that_can_no_longer_be_watched_is_canceled(jobs: LocalJobs) -> None:
    jobs.watcher = FailingObserver()
    with pytest.raises(ValueError, match="no display"):
        jobs.run(WAITING)
    assert description(jobs.folder())["status"] == "Canceled"
    assert (
        description(jobs.folder())["why"]
        == "canceled, because the command could not watch the job: no display"
    )


def test_progress_is_shown_from_running_to_the_end(jobs: LocalJobs) -> None:
    jobs.run("true")
    statuses = [job.status for job in jobs.watcher.seen]
    assert statuses[0] is JobStatus.RUNNING
    assert statuses[-1] is JobStatus.COMPLETED


# Kept files.


def test_outputs_and_logs_are_kept_and_nothing_else(jobs: LocalJobs, code: Code) -> None:
    folder = code("", **{"sub/data.txt": "x"})
    jobs.run(
        "echo 1 > outputs/a; mkdir outputs/model; echo 2 > outputs/model/b; echo 3 > logs/c; "
        "echo 4 > elsewhere; mkdir more; echo 5 > more/d",
        code=folder,
    )
    assert files_below(jobs.folder()) == [
        ".lock",
        "artifacts/logs/c",
        "artifacts/outputs/a",
        "artifacts/outputs/model/b",
        "artifacts/user_logs/std_log.txt",
        "job.json",
        "user_logs/std_log.txt",
    ]
    assert sorted(path.name for path in jobs.folder().iterdir()) == [
        ".lock",
        "artifacts",
        "job.json",
        "logs",
        "outputs",
        "user_logs",
    ]
    assert sorted(path.name for path in folder.iterdir()) == ["logger.py", "script.py", "sub"]


def test_the_artifacts_of_the_run_are_the_files_of_the_job(jobs: LocalJobs) -> None:
    jobs.run("mkdir outputs/model; echo 2 > outputs/model/b; echo 3 > logs/c")
    run_id = jobs.tracked().info.run_id

    def listed(path: str | None = None) -> set[str]:
        return {entry.path for entry in jobs.client.list_artifacts(run_id, path)}

    assert listed() >= {"logs", "outputs", "user_logs"}
    assert listed("outputs/model") == {"outputs/model/b"}
    assert listed("user_logs") == {"user_logs/std_log.txt"}


def test_the_code_may_bring_an_outputs_folder_of_its_own(jobs: LocalJobs, code: Code) -> None:
    folder = code("", **{"outputs/old": "old", "logs/sub/x": "x"})
    jobs.run("cat outputs/old; echo new > outputs/new; echo over > outputs/old", code=folder)
    assert jobs.log() == "old"
    assert (jobs.folder() / "outputs" / "new").read_text() == "new\n"
    assert (jobs.folder() / "logs" / "sub" / "x").read_text() == "x"
    assert (folder / "outputs" / "old").read_text() == "old"
    assert not (folder / "outputs" / "new").exists()


def test_a_file_in_the_place_of_a_kept_folder_is_an_error(jobs: LocalJobs, code: Code) -> None:
    with pytest.raises(JobError, match=r"^job\.code: outputs must be a folder"):
        jobs.run("true", code=code("", outputs="a file"))
    assert description(jobs.folder())["status"] == "Failed"


def test_a_script_may_replace_its_outputs_folder(jobs: LocalJobs) -> None:
    jobs.run("rm -rf outputs; mkdir outputs; echo 1 > outputs/a")
    assert (jobs.folder() / "outputs" / "a").read_text() == "1\n"


def test_code_that_holds_the_outputs_folder_does_not_ship_it(
    jobs: LocalJobs, tmp_path: Path
) -> None:
    (tmp_path / "script.py").write_text("", encoding="utf-8")
    jobs.run("echo 1 > outputs/a", "first", code=tmp_path)
    jobs.run("ls -A", "second", code=tmp_path)
    assert jobs.log("second").split() == ["logs", "outputs", "script.py"]
    assert list((jobs.folder("second") / "outputs").iterdir()) == []


def test_named_outputs_are_kept(jobs: LocalJobs) -> None:
    jobs.run(
        "echo 1 > {{outputs.model}}/weights; echo 2 > {{outputs.table}}",
        outputs={"model": OutputSpec(), "table": OutputSpec(type="uri_file")},
    )
    kept = jobs.folder() / "named_outputs"
    assert (kept / "model" / "weights").read_text() == "1\n"
    assert (kept / "table").read_text() == "2\n"


def test_a_kept_file_is_found_again(jobs: LocalJobs) -> None:
    jobs.run("echo 1 > outputs/a")
    saved = jobs.workspace.download("job", "outputs/a")
    assert saved == jobs.folder() / "artifacts" / "outputs" / "a"
    assert jobs.workspace.download("job", "outputs/b") is None
    assert jobs.workspace.download("nobody", "outputs/a") is None


def test_writing_to_a_mounted_input_is_a_warning(jobs: LocalJobs, tmp_path: Path) -> None:
    data = tmp_path / "my data"
    data.mkdir()
    (data / "a").write_text("1", encoding="utf-8")
    result = jobs.run(
        "chmod u+w {{inputs.data}}; echo 2 > {{inputs.data}}/b; cat {{inputs.data}}/a",
        inputs={"data": PathInput(data)},
    )
    assert jobs.log() == "1"
    assert len(result.warnings) == 1
    assert "the script wrote to its input data" in result.warnings[0]
    assert [path.name for path in data.iterdir()] == ["a"]


# The command.


HOSTILE_TEXTS = [
    "a b",
    "it's",
    '"',
    "$(touch injected)",
    "; touch injected",
    "`touch injected`",
    "*",
    "",
]


@pytest.mark.parametrize("value", HOSTILE_TEXTS)
def test_values_of_a_script_are_neither_split_nor_run(
    jobs: LocalJobs, code: Code, value: str
) -> None:
    folder = code("import os, sys\nprint(sys.argv[1:], os.path.exists('injected'))\n")
    result = jobs.run("script.py --x {{inputs.x}}", code=folder, inputs={"x": value})
    assert result.status is JobStatus.COMPLETED
    assert jobs.log() == f"{['--x', value]} False\n"


def test_a_command_is_a_line_of_bash(jobs: LocalJobs) -> None:
    jobs.run(
        "[[ -d outputs ]] && set -- {{inputs.words}} && echo $# $AZUREML_PARAMETER_words "
        "$[[--mu {{inputs.mu}}]]; false || echo ${0##*/}",
        quoted=False,
        inputs={"words": "one two"},
    )
    assert jobs.log() == "2 one two\nbash\n"


def test_without_code_the_folder_is_empty(jobs: LocalJobs) -> None:
    jobs.run("ls -A; pwd -P")
    *names, folder = jobs.log().splitlines()
    assert names == ["logs", "outputs"]
    assert folder == str(jobs.folder() / "wd")


def test_the_environment_is_azures(jobs: LocalJobs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_CLIENT_SECRET", "hush")
    jobs.run("env", environment_variables={"MINE": "a b"})
    seen = dict(line.split("=", 1) for line in jobs.log().splitlines())
    assert seen["AZUREML_RUN_ID"] == seen["AZUREML_ROOT_RUN_ID"] == "job"
    assert seen["MLFLOW_RUN_ID"] == jobs.tracked().info.run_id
    assert seen["MLFLOW_TRACKING_URI"] == jobs.uri
    assert seen["MINE"] == "a b"
    assert "AZURE_CLIENT_SECRET" not in seen


# Faults.


def test_a_name_is_used_once(jobs: LocalJobs) -> None:
    jobs.workspace.submit(command_job("true"))
    with pytest.raises(RefusedError, match="a job name can be used only once"):
        jobs.workspace.submit(command_job("true"))
    jobs.workspace.watch("job", jobs.watcher)
    with pytest.raises(RefusedError, match="a job name can be used only once"):
        LocalJobs(LocalWorkspace(jobs.outputs), jobs.outputs, jobs.uri).run("true")
    assert description(jobs.folder())["status"] == "Completed"


def test_what_was_not_submitted_cannot_be_watched(jobs: LocalJobs) -> None:
    with pytest.raises(JobError, match="no job named ghost was submitted"):
        jobs.workspace.watch("ghost", jobs.watcher)


def test_a_job_that_cannot_be_started_is_failed_and_says_why(
    jobs: LocalJobs, tmp_path: Path
) -> None:
    inputs = {"data": PathInput(tmp_path / "nowhere")}
    with pytest.raises(JobError, match=r"job\.inputs\.data\.path: must exist"):
        jobs.run("true", inputs=inputs)
    assert description(jobs.folder())["status"] == "Failed"
    assert "must exist" in description(jobs.folder())["why"]
    assert jobs.tracked().info.status == "FAILED"
    assert not (jobs.folder() / "wd").exists()


def test_check_looks_at_the_inputs_and_makes_nothing(jobs: LocalJobs, tmp_path: Path) -> None:
    job = command_job("true", inputs={"data": PathInput(tmp_path / "nowhere"), "lr": 1})
    before = files_below(tmp_path)
    with pytest.raises(JobError, match="must exist"):
        jobs.workspace.check(job, jobs.watcher)
    assert files_below(tmp_path) == before


def test_a_store_that_is_no_database_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_text("not a database, however long it is" * 100)
    workspace = LocalWorkspace(tmp_path)
    workspace.submit(command_job("true"))
    with pytest.raises(OutputsError, match=r"^outputs_dir: the MLflow store .* failed") as caught:
        workspace.watch("job", Watcher())
    assert len(caught.value.lines) == 1


@pytest.mark.parametrize("name", ["50% done", "what?", "a#b", "ü&;"])
def test_an_outputs_folder_may_have_any_name(tmp_path: Path, empty_store: Path, name: str) -> None:
    outputs = tmp_path / name
    outputs.mkdir()
    (outputs / "mlflow.db").write_bytes(empty_store.read_bytes())
    tracking = Tracking(outputs)
    jobs = LocalJobs(LocalWorkspace(outputs), outputs, tracking.uri)
    jobs.run("echo 1 > outputs/a")
    run = jobs.tracked()
    assert run.info.status == "FINISHED"
    assert "outputs" in {one.path for one in jobs.client.list_artifacts(run.info.run_id)}
    with sqlite3.connect(outputs / "mlflow.db") as database:
        assert database.execute("SELECT status FROM runs WHERE name = 'job'").fetchall() == [
            ("FINISHED",)
        ]
    database.close()


# Compute and models.


def test_every_compute_target_is_this_machine(workspace: LocalWorkspace) -> None:
    local = workspace.get_or_create_compute(ComputeConfig(ComputeType.local, "local"))
    assert (local.name, local.type, local.notes) == ("local", "local", ())
    spec = ComputeConfig(ComputeType.amlcompute, "gpu-cluster", "STANDARD_NC4AS_T4_V3")
    cluster = workspace.get_or_create_compute(spec)
    assert cluster.notes == ("this machine replaces gpu-cluster (STANDARD_NC4AS_T4_V3)",)


def model(path: str = "outputs/model") -> ModelSpec:
    return ModelSpec("digits", "job", path, description="of a test")


def test_a_folder_is_registered_with_its_lineage(jobs: LocalJobs) -> None:
    jobs.run("mkdir outputs/model; echo 1 > outputs/model/a")
    first = jobs.workspace.register_model(model())
    second = jobs.workspace.register_model(model())
    assert (first.name, first.version, second.version) == ("digits", "1", "2")
    assert first.job == "job"
    assert first.path == str(jobs.folder() / "artifacts" / "outputs" / "model")
    stored = jobs.client.get_model_version("digits", "1")
    assert stored.run_id == jobs.tracked().info.run_id
    assert stored.tags == {"azureml.job": "job", "azureml.type": "custom_model"}
    assert Tracking(jobs.outputs).models.registered("digits", "2") == second


def test_a_file_is_registered(jobs: LocalJobs) -> None:
    jobs.run("echo 1 > outputs/model.bin")
    registered = jobs.workspace.register_model(model("outputs/model.bin"))
    assert Path(registered.path).read_text() == "1\n"


def test_registering_what_is_not_there_names_the_folder(jobs: LocalJobs) -> None:
    jobs.run("true")
    with pytest.raises(JobError, match=r"^registration\.path: .* got outputs/model; choose"):
        jobs.workspace.register_model(model())
    with pytest.raises(JobError, match=r"registration\.path"):
        jobs.workspace.register_model(ModelSpec("digits", "ghost", "outputs"))


def test_an_unknown_model_version_is_not_found(jobs: LocalJobs, tracking: Tracking) -> None:
    with pytest.raises(NotFoundError, match="no registered model digits:3"):
        tracking.models.registered("digits", "3")


def test_a_damaged_job_folder_is_one_line(jobs: LocalJobs) -> None:
    jobs.run("mkdir outputs/model")
    described = description(jobs.folder())
    damaged = r"job\.json must be unchanged .* the file is damaged"
    for key in ("status", "command", "experiment_name", "mlflow_run_id", "mlflow_experiment_id"):
        lacking = {**described, "status": "Failed", key: None}
        (jobs.folder() / "job.json").write_text(json.dumps(lacking), encoding="utf-8")
        with pytest.raises(JobError, match=damaged):
            jobs.workspace.check(command_job("mkdir outputs/model", "job"), jobs.watcher)
            jobs.run("mkdir outputs/model")
    (jobs.folder() / "job.json").write_text("{", encoding="utf-8")
    with pytest.raises(JobError, match="the job job does not exist in"):
        jobs.workspace.register_model(model())
    for content in ("[]", "5", "{}", '{"mlflow_run_id": [1]}'):
        (jobs.folder() / "job.json").write_text(content, encoding="utf-8")
        with pytest.raises(JobError, match=damaged):
            jobs.workspace.register_model(model())
    # A sweep that is starting has a file without a reason.
    assert jobs.workspace.job_result("job") is None


def test_order_of_arrival_is_kept_within_a_step(jobs: LocalJobs, code: Code) -> None:
    # Azure ML's tutorial logs every epoch at step 0.
    values = [0.5, 0.1, 0.9, 0.2]
    folder = code(f"from logger import log_metric\nfor v in {values}: log_metric('score', v)\n")
    result = jobs.run("script.py", code=folder)
    assert [point.value for point in result.metrics["score"]] == values


def test_a_user_without_a_name_can_run_jobs(
    jobs: LocalJobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("pwd.getpwuid", lambda number: {}[number])
    assert jobs.run("true").status is JobStatus.COMPLETED
    assert jobs.tracked().data.tags["mlflow.user"] == str(os.getuid())


def test_two_experiments_share_a_store(jobs: LocalJobs) -> None:
    jobs.run("true", "first")
    jobs.run("true", "second", experiment_name="another")
    jobs.run("true", "third")
    ids = {name: jobs.tracked(name).info.experiment_id for name in ("first", "second", "third")}
    assert ids["first"] == ids["third"] != ids["second"]


def test_the_description_of_a_job_names_its_command(jobs: LocalJobs) -> None:
    jobs.run("echo {{inputs.x}}", inputs={"x": 1})
    content = json.loads((jobs.folder() / "job.json").read_text(encoding="utf-8"))
    assert content["command"] == "echo {{inputs.x}}"
    assert content["parameters"] == {"x": 1}


def test_the_stores_rows_are_those_that_mlflow_writes(jobs: LocalJobs, code: Code) -> None:
    # The stand-in for `import mlflow` in these tests has to do what MLflow does.
    jobs.run("script.py", code=code("from logger import log_metric\nlog_metric('score', 0.5, 3)\n"))
    run_id = jobs.tracked().info.run_id
    jobs.client.log_metric(run_id, "score", 0.75, step=4)
    with sqlite3.connect(jobs.outputs / "mlflow.db") as database:
        rows = database.execute("SELECT key, value, step, is_nan FROM metrics").fetchall()
        latest = database.execute("SELECT key, value, step FROM latest_metrics").fetchall()
    database.close()
    assert rows == [("score", 0.5, 3, 0), ("score", 0.75, 4, 0)]
    assert latest == [("score", 0.75, 4)]
