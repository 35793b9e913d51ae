"""`workspace=azure` in processes that reach the emulator by environment variables alone."""

import re
import shlex
from pathlib import Path

import pytest

import mnist_exp as mx
from mnist_exp.config import Stage
from mnist_exp.records import load_record
from tests.azure_emulator.engines import LocalEngine, StubEngine
from tests.support.azure_commands import TUTORIAL, StartEmulator
from tests.support.command_line import Cli
from tests.support.emulated_azure import SMALL_CODE, AzureStages, use_emulator
from tests.support.waiting import eventually


@pytest.mark.azure
def test_the_whole_flow_trains_and_answers_over_the_wire(
    azure: StartEmulator, cli: Cli, tmp_path: Path
) -> None:
    emulator = azure(LocalEngine(tmp_path / "engine"))
    done = cli.ok(*TUTORIAL)
    invoke = cli.records("invoke")[-1]
    assert invoke["metrics"]["sample_accuracy"] > 0.8
    (sweep,) = cli.records("sweep")
    assert len(sweep["trials"]) == 8
    assert sweep["best"]["value"] > 0.9
    assert cli.records("all")[-1]["status"] == "Completed"
    assert "epoch 20/20" in done.stderr
    assert (emulator.store.endpoints, emulator.store.deployments) == ({}, {})


@pytest.mark.parametrize("workspace", ["azure", pytest.param("local", marks=pytest.mark.azure)])
def test_a_dry_run_sends_no_request_on_either_workspace(
    azure: StartEmulator, cli: Cli, workspace: str
) -> None:
    emulator = azure(StubEngine())
    done = cli.ok(*TUTORIAL, f"workspace={workspace}", "dry_run=true")
    for kind in ("compute", "train", "sweep", "model", "endpoint", "deployment"):
        assert f"--- # {kind} " in done.stdout
    assert re.search(r"# job\.code: \d+ files, \d+ bytes", done.stdout)
    assert "#   train.py" in done.stdout
    assert "__pycache__" not in done.stdout
    assert emulator.requests == []
    assert not (cli.outputs / "index.jsonl").exists()


def test_doctor_offline_reports_what_it_can_check(cli: Cli) -> None:
    done = cli("stage=doctor", "workspace=azure", "compute.size=STANDARD_NC6", "model.epochs=0")
    assert done.returncode == 1
    assert "warn  compute.size: STANDARD_NC6 was retired" in done.stdout
    assert "fail  model.epochs: must be a whole number" in done.stdout
    assert "ok    azureml-mlflow" in done.stdout
    assert "fail  workspace: workspace.subscription_id: must be given" in done.stdout
    assert re.search(r"^error: doctor azure: \d of \d checks failed; ", done.stderr, re.MULTILINE)
    assert "model.epochs" not in done.stderr


@pytest.mark.azure
def test_doctor_finds_nothing_on_this_machine(cli: Cli) -> None:
    done = cli.ok("stage=doctor", "compute=gpu_cluster")
    assert "ok    workspace: this machine" in done.stdout


def test_a_multirun_submits_all_its_variants_at_once(
    azure: StartEmulator,
    cli: Cli,
    digits: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    emulator = azure(StubEngine())
    use_emulator(emulator, digits, monkeypatch)
    AzureStages(emulator, tmp_path / "before", digits).run(Stage.compute)
    arguments = ["profile=azure", "stage=train", "wait=false", "model=small,wide"]
    done = cli.ok("-m", *arguments)
    names = [record["name"] for record in cli.records("train")]
    assert len(emulator.store.jobs) == len(names) == 2
    assert all(f"run={name}" in done.stderr for name in names)
    assert [record["status"] for record in cli.records("train")] == ["NotStarted"] * 2


@pytest.mark.azure
def test_a_local_variant_does_not_hide_metrics_of_the_next_on_azure(
    azure: StartEmulator, cli: Cli, digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    emulator = azure(StubEngine())
    use_emulator(emulator, digits, monkeypatch)
    AzureStages(emulator, tmp_path / "before", digits).run(Stage.compute)
    profile = tmp_path / "conf" / "profile" / "here.yaml"
    profile.parent.mkdir(parents=True)
    profile.write_text("# @package _global_\ndefaults:\n  - override /workspace: local\n")
    variants = ["--config-dir", str(tmp_path / "conf"), "-m", "profile=here,azure"]
    # With chdir, the local variant does not wait, and runs before the variant on Azure.
    cli.ok(*variants, "stage=train", "model.epochs=1", "data=sample", "hydra.job.chdir=true")
    here, there = cli.records("train")
    assert (here["workspace"], there["workspace"]) == ("local", "azure")
    assert here["metrics"]["validation_acc"] > 0
    assert there["metrics"] == {"validation_acc": 0.7}


@pytest.mark.azure
def test_the_printed_command_resumes_a_submitted_sweep(azure: StartEmulator, cli: Cli) -> None:
    emulator = azure(StubEngine())
    cli.ok("profile=azure", "stage=compute")
    done = cli.ok("profile=azure", "stage=sweep", "sweep=quick", "wait=false")
    found = re.search(r"resume the job with: mnist-exp (.+)", done.stderr)
    assert found, done.stderr
    cli.ok(*shlex.split(found[1]))
    assert len(emulator.recorded("job.put")) == 1
    assert cli.records("sweep")[-1]["status"] == "Completed"


def test_wait_saves_the_result_of_a_job_that_has_ended(
    azure: StartEmulator, digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    emulator = azure(StubEngine())
    use_emulator(emulator, digits, monkeypatch)
    AzureStages(emulator, tmp_path / "before", digits).run(Stage.compute)
    job = {"job.code": SMALL_CODE, "outputs_dir": tmp_path / "api", "display": "none"}
    run = mx.train("profile=azure", wait=False, **job)
    eventually(lambda: run.status == "Completed")
    assert load_record(run.folder / "run.json").status == "NotStarted"
    assert run.wait().metrics == {"validation_acc": 0.7}
    assert load_record(run.folder / "run.json").status == "Completed"


@pytest.mark.azure
def test_a_missing_role_is_one_line_with_the_remedy(azure: StartEmulator, cli: Cli) -> None:
    emulator = azure(StubEngine())
    emulator.forbidden = {"compute"}
    done = cli("profile=azure", "stage=compute")
    assert done.returncode == 1
    assert re.search(r"error: compute gpu-cluster: .*\(request \w+\).*role", done.stderr)
    assert "Traceback" not in done.stderr
