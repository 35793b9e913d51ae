"""Each stage by itself, with a user's own script: what it prints, writes and reads.

Commands run in this process, except where a test is about processes that outlive the command.
"""

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from mnist_exp.workspaces.local.tracking.database import STORE_NAME
from tests.support.command_line import PATIENCE_S, Cli
from tests.support.in_process import InProcessCli
from tests.support.waiting import eventually

#: The command line, and the arguments for the user's own script.
Own = tuple[InProcessCli, list[str]]


@pytest.fixture(scope="module")
def own(
    tmp_path_factory: pytest.TempPathFactory, cache: Path, mine: Path, empty_store: Path
) -> Own:
    """A folder in which a sweep of the user's own script has run, and the arguments for it."""
    cli = InProcessCli(tmp_path_factory.mktemp("a folder"), cache)
    cli.outputs.mkdir()
    shutil.copyfile(empty_store, cli.outputs / STORE_NAME)
    arguments = ["--config-dir", str(mine), "job=mine", "sweep=mine", "endpoint=mine"]
    cli.ok(*arguments, "stage=sweep")
    return cli, arguments


def servers(cli: Cli) -> list[int]:
    """Return the process ids of the fronts and workers of a folder's endpoints."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        words = " ".join(process.info["cmdline"] or [])
        if "mnist_exp.serving" in words and str(cli.folder) in words:
            found.append(process.pid)
    return found


def only_the_confusion_matrix_is_missing(record: dict[str, Any]) -> bool:
    """Whether a warning names the confusion matrix, and no other figure."""
    figures = [text for text in record["warnings"] if text.startswith("figure ")]
    missing = [text.partition(":")[0] for text in figures]
    return missing == ["figure confusion_matrix"] and "confusion_matrix" not in record["paths"]


def test_train_runs_the_script_and_records_what_it_logged(own: Own) -> None:
    cli, arguments = own
    done = cli.ok(*arguments, "stage=train", "job.script=with_mlflow.py", "job.inputs.lr=0.75")
    record = cli.records("train")[-1]
    assert record["schema_version"] == 1
    assert record["status"] == "Completed"
    assert record["metrics"] == {"score": 2.25}
    assert record["parameters"] == {"lr": 0.75, "fail_above": 10}
    assert record["versions"]["mlflow"]
    flag, folder = record["flags"]
    assert (flag, (cli.folder / folder).resolve()) == ("--config-dir", Path(arguments[1]).resolve())
    assert record["duration_s"] > 0
    assert Path(record["paths"]["folder"], "outputs", "model", "weight.txt").read_text() == "0.75"
    assert Path(record["paths"]["learning_curves"]).stat().st_size > 5_000
    assert only_the_confusion_matrix_is_missing(record)
    assert record["name"] in done.stdout
    assert "next" in done.stdout


def test_a_figure_that_cannot_be_drawn_is_a_warning(own: Own) -> None:
    cli, _ = own
    assert only_the_confusion_matrix_is_missing(cli.records("sweep")[-1])


def test_sweep_with_a_failed_trial_is_completed_and_has_a_best(own: Own) -> None:
    cli, _ = own
    record = cli.records("sweep")[-1]
    assert record["status"] == "Completed"
    by_value = {trial["parameters"]["lr"]: trial for trial in record["trials"]}
    assert by_value[11.0]["status"] == "Failed"
    assert by_value[11.0]["why"] == "exit code 1: the weights went away"
    # Azure ML ranks trials by their metrics, whatever their exit codes. A warning says so.
    assert record["best"]["parameters"] == {"lr": 11.0}
    assert any("failed" in line for line in record["warnings"])
    assert [trial["best"] for trial in record["trials"]] == [0.75, 6.0, 33.0]
    assert set(by_value[2.0]) >= {"name", "status", "parameters", "best", "last", "why"}


def test_status_and_logs_of_a_job(own: Own) -> None:
    cli, _ = own
    (name,) = {record["name"] for record in cli.records("sweep")}
    done = cli.ok("stage=status", f"run={name}")
    assert "\nsweep  Completed in" in done.stdout
    assert "exit code 1: the weights went away" in done.stdout
    assert "trial 2: Failed" in cli.ok("stage=logs", f"run={name}").stdout
    assert cli.ok("stage=logs", f"run={name}_2").stdout == "the weights went away\n"
    assert "train  Failed" in cli.ok("stage=status", f"run={name}_2").stdout
    unknown = cli("stage=logs", f"run={name}x")
    assert unknown.returncode == 1
    assert f"error: run: no job {name}x in outputs; the latest jobs are: " in unknown.stderr
    assert f"did you mean '{name}'?" in unknown.stderr
    assert "run=NAME; the running jobs are: none" in cli("stage=cancel").stderr
    assert f"got {name}, which is Completed" in cli("stage=cancel", f"run={name}").stderr


def test_a_sweep_is_compared_with_one_of_its_trials(own: Own) -> None:
    cli, _ = own
    (name,) = {record["name"] for record in cli.records("sweep")}
    before = len(list(cli.outputs.glob("runs/*/*")))
    done = cli.ok("stage=compare", f"run=[{name},{name}_0]")
    rows = {line.split()[0]: line.split()[1:] for line in done.stdout.splitlines() if line}
    assert (rows["lr"], rows["score"]) == (["11", "0.25"], ["33", "0.75"])
    figure = done.stdout.splitlines()[-1].removeprefix("figure: ")
    assert not Path(figure).is_absolute()
    assert (cli.folder / figure).stat().st_size > 5_000
    # The figure is the only file.
    assert len(list(cli.outputs.glob("runs/*/*"))) == before + 1
    assert not list(cli.outputs.glob("runs/*/*-compare/run.json"))
    for names, fault in (
        ("a", "run: must name at least two different jobs, got a"),
        (f"[{name},{name}]", "run: must name at least two different jobs"),
        (f"[{name},b]", "run: no job b in outputs"),
    ):
        assert f"error: {fault}" in cli("stage=compare", f"run={names}").stderr
    assert "error: run: must be one name, got [a,b]; only" in cli("stage=train", "run=[a,b]").stderr


def endpoint_of_a_failed_deployment(own: Own) -> str:
    """Fail to deploy. As on Azure, the endpoint stays, and the next deployment uses it."""
    cli, arguments = own
    broken = cli(*arguments, "stage=deploy", "endpoint.deployment.scoring_script=broken.py")
    assert broken.returncode == 1
    begun: str = cli.records("deploy")[-1]["name"]
    for text in ("OSError: no weights; fix the deployment", f"endpoint {begun} answers 404"):
        assert text in broken.stderr
    status = cli.ok(*arguments, "stage=status").stdout
    assert "answers 404: no deployment has traffic" in status
    assert "tff-blue  Failed" in status
    assert "OSError: no weights; fix the deployment and deploy again" in status
    assert "fix the deployment and run stage=deploy again" in cli(*arguments, "stage=invoke").stderr
    return begun


def keys_are_nowhere_else(cli: Cli, keys: Path, printed: str) -> bool:
    """Whether only the user's own file has the keys, and no other file nor the printed text."""
    assert keys.stat().st_mode & 0o777 == 0o600
    secrets = [str(value).encode() for value in json.loads(keys.read_text()).values()]
    places = [path for path in cli.outputs.rglob("*") if path.is_file() and path != keys]
    texts = [printed.encode(), *(path.read_bytes() for path in places)]
    return not any(secret in text for secret in secrets for text in texts)


def test_the_flow_from_register_to_cleanup(own: Own, make_cli: Callable[[Path], Cli]) -> None:
    cli, arguments = own
    # The endpoint's servers must outlive the command that starts them.
    process = make_cli(cli.folder)
    cli.ok(*arguments, "stage=train", "job.inputs.lr=3")
    train = cli.records("train")[-1]["name"]

    cli.ok(*arguments, "stage=register", f"run={train}")
    model = cli.records("register")[-1]["model"]
    assert (model["name"], model["job"]) == ("run-model-example", train)

    begun = endpoint_of_a_failed_deployment(own)
    process.ok(*arguments, "stage=deploy")
    endpoint = cli.records("deploy")[-1]["endpoint"]
    assert endpoint["name"] == begun
    assert endpoint["name"].startswith("tff-dnn-endpoint-")
    assert endpoint["traffic"] == {"tff-blue": 100}
    assert len(servers(cli)) == 2
    assert httpx.post(endpoint["scoring_uri"], json={"data": [1]}).status_code == 401

    request = cli.folder / "request.json"
    request.write_text('{"data": [1, 2]}', encoding="utf-8")
    cli.ok(*arguments, "stage=invoke", "endpoint.request_file=request.json")
    assert cli.records("invoke")[-1]["predictions"]["answer"] == [3.0, 3.0]

    cli.ok(*arguments, "stage=deploy", "endpoint.reuse=true", "endpoint.deployment.name=tff-green")
    deployments = cli.records("deploy")[-1]["endpoint"]["deployments"]
    assert {one["name"] for one in deployments} == {"tff-blue", "tff-green"}
    assert len(servers(cli)) == 3

    keys = Path(cli.records("deploy")[-1]["paths"]["keys"])
    before = json.loads(keys.read_text(encoding="utf-8"))
    half = "endpoint.traffic={tff-blue: 50, tff-green: 50}"
    done = cli.ok(*arguments, "stage=deploy", half, "endpoint.regenerate_key=primary")
    assert keys_are_nowhere_else(cli, keys, done.stdout + done.stderr)
    after = json.loads(keys.read_text(encoding="utf-8"))
    assert before["primary"] != after["primary"]
    assert before["secondary"] == after["secondary"]
    assert cli.records("deploy")[-1]["endpoint"]["traffic"] == {"tff-blue": 50, "tff-green": 50}
    assert len(servers(cli)) == 3

    (front,) = (pid for pid in servers(cli) if "worker" not in psutil.Process(pid).cmdline()[3])
    psutil.Process(front).kill()
    eventually(lambda: front not in servers(cli))
    done = cli.ok(*arguments, "stage=status")
    assert "front process has ended" in done.stdout
    cli.ok(*arguments, "stage=invoke", "endpoint.request_file=request.json")
    assert "tff-green  Succeeded" in cli.ok(*arguments, "stage=status").stdout
    assert "init() has returned" in cli.ok(*arguments, "stage=logs").stdout

    assert keys_are_nowhere_else(cli, keys, "")
    done = process.ok(*arguments, "stage=cleanup")
    assert "tff-blue" in done.stderr
    assert "tff-green" in done.stderr
    assert servers(cli) == []
    again = cli(*arguments, "stage=invoke")
    assert again.returncode == 1
    assert "no endpoint is deployed" in again.stderr


def test_a_failed_script_shows_its_last_lines_and_its_log(own: Own) -> None:
    cli, arguments = own
    done = cli(*arguments, "stage=train", "job.inputs.lr=11")
    assert done.returncode == 1
    assert "the weights went away" in done.stderr
    assert "exit code 1" in done.stderr
    assert "std_log.txt" in done.stderr
    assert "Traceback" not in done.stderr
    record = cli.records("train")[-1]
    assert record["status"] == "Failed"
    assert record["metrics"] == {"score": 33.0}
    assert record["log_tail"][-1] == "the weights went away"


def test_multirun_compares_variants_and_a_failed_one_is_a_row(own: Own) -> None:
    cli, arguments = own
    done = cli(*arguments, "-m", "stage=train", "job.inputs.lr=0.5,11,1.5")
    assert done.returncode == 1
    rows = [line for line in done.stdout.splitlines() if "job.inputs.lr=" in line or "lr" in line]
    assert any("Failed" in line for line in done.stdout.splitlines())
    assert done.stdout.count("Completed") >= 2
    assert rows
    assert [record["status"] for record in cli.records("train")[-3:]] == [
        "Completed",
        "Failed",
        "Completed",
    ]


def test_multirun_continues_after_a_variant_that_breaks_a_rule(own: Own) -> None:
    cli, arguments = own
    before = len(cli.records("train"))
    done = cli(*arguments, "-m", "stage=train", "model.learning_rate=nan,0.01")
    assert done.returncode == 1
    assert "error: model.learning_rate: must be a finite number" in done.stderr
    assert len(cli.records("train")) == before + 1


def test_outputs_dir_moves_all_files(own: Own, empty_store: Path) -> None:
    cli, arguments = own
    before = {path.name for path in cli.folder.iterdir()}
    moved = cli.folder / "elsewhere" / "deep"
    moved.mkdir(parents=True)
    shutil.copyfile(empty_store, moved / STORE_NAME)
    cli.ok(*arguments, "stage=train", "outputs_dir=elsewhere/deep")
    assert {path.name for path in moved.iterdir()} >= {"index.jsonl", "jobs", "mlflow.db", "runs"}
    assert {path.name for path in cli.folder.iterdir()} == before | {"elsewhere"}


def test_interrupt_cancels_the_job_and_leaves_no_process(own: Own) -> None:
    cli, arguments = own
    hold = 'python -c "import time; print(12345, flush=True); time.sleep(600)"'
    process = subprocess.Popen(
        cli.command(*arguments, "stage=train", "job.script=null", f"job.command='{hold}'"),
        cwd=cli.folder,
        env=cli.environment,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stderr is not None
        assert any("Running" in line for line in process.stderr)
        jobs = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=PATIENCE_S)
    finally:
        process.kill()
    assert process.returncode == 130
    _, alive = psutil.wait_procs(jobs, timeout=60)
    assert jobs
    assert alive == []
    assert cli.records("train")[-1]["status"] == "Canceled"


def test_kill_leaves_no_process(own: Own) -> None:
    cli, arguments = own
    process = subprocess.Popen(
        cli.command(*arguments, "stage=train", "job.script=null", "job.command='sleep 600'"),
        cwd=cli.folder,
        env=cli.environment,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    assert any("Running" in line for line in process.stderr)
    jobs = psutil.Process(process.pid).children(recursive=True)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate(timeout=PATIENCE_S)
    _, alive = psutil.wait_procs(jobs, timeout=60)
    assert jobs
    assert alive == []
    name = cli.records("train")[-1]["name"]
    status = cli.ok("stage=status", f"run={name}")
    assert f"train  Failed  {name}" in status.stdout
    assert "the command that ran the job was killed" in status.stdout
    assert f"resume the job with: mnist-exp stage=train run={name}" in status.stderr
    (row,) = (line for line in cli.ok("stage=runs").stdout.splitlines() if name in line)
    assert "Failed" in row
