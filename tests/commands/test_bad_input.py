"""Bad input: one line with key, rule, value and remedy, exit code 1, and no file is written.

The commands run in this process. A few run in a process of their own too.
"""

import gzip
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.command_line import Cli
from tests.support.in_process import InProcessCli

BAD_INPUT = {
    "no stage": ([], "stage: must be one of compute, run, import, train, sweep"),
    "unknown stage": (["stage=trian"], "stage: must be one of compute, run, import, train, sweep"),
    "unknown option": (
        ["stage=train", "model=huge"],
        "model: must be one of cnn, dnn_300_100, small",
    ),
    "misspelt key": (["stage=train", "model.lerning_rate=1"], "did you mean learning_rate?"),
    "misspelt group": (["stage=train", "modle=small"], "modle: no such"),
    "wrong type": (["stage=train", "model.epochs=many"], "model.epochs: must be a whole number"),
    "negative": (["stage=train", "model.batch_size=-1"], "model.batch_size: must be a whole"),
    "zero": (["stage=train", "model.epochs=0"], "model.epochs: must be a whole number of at least"),
    "nan": (["stage=train", "model.learning_rate=nan"], "model.learning_rate: must be a finite"),
    "unreadable override": (["stage=train", "model.epochs=[1"], "not a valid override"),
    "several values": (["stage=train", "model=small,wide"], "--multirun"),
    "min above max": (
        ["stage=sweep", "sweep.search_space.learning_rate.min_value=0"],
        "sweep.search_space.learning_rate: min_value must be below max_value",
    ),
    "grid of a continuous space": (
        [
            "stage=sweep",
            "sweep=grid",
            "+sweep.search_space.x={type: uniform, min_value: 0, max_value: 1}",
        ],
        "grid sampling supports only choice",
    ),
    "field of another type": (
        ["stage=sweep", "sweep.search_space.learning_rate.type=choice"],
        "min_value",
    ),
    "search-space key of no input": (
        ["stage=sweep", "+sweep.search_space.lerning_rate={type: choice, values: [1]}"],
        "did you mean learning_rate?",
    ),
    "missing data": (["stage=train", "data=folder", "data.path=nowhere"], "data.path: must be a"),
    "data path not given": (
        ["stage=train", "data=folder"],
        "data.path: must be a folder with the four IDX files, got null",
    ),
    "endpoint that all would delete": (
        ["stage=all", "endpoint=blue_green"],
        "endpoint.reuse: must be false, because stage=all",
    ),
    "endpoint name": (["stage=deploy", "endpoint.name=9lives"], "endpoint.name: must be 3 to 32"),
    "invoke without endpoint": (["stage=invoke"], "endpoint.name: no endpoint is deployed"),
    "register without run": (["stage=register"], "run: no completed sweep in"),
    "register of an unknown run": (["stage=register", "run=nobody"], "run: must name a completed"),
    "deploy without model": (["stage=deploy"], "run: no registered model in"),
    "traffic": (
        ["stage=deploy", "endpoint.traffic={tff-blue: 90}"],
        "must sum to 0 or 100, got 90",
    ),
    "script that is not there": (
        ["stage=train", "job.script=nope.py"],
        "job.script: must be a file",
    ),
    "dry run in a file": (
        ["stage=train", "dry_run=true", "outputs_dir=/dev/null/x"],
        "outputs_dir: must be a folder that can be written, got /dev/null/x (Not a directory)",
    ),
    "configs of the run in a file": (
        ["stage=train", "dry_run=true", "hydra.output_subdir=/dev/null/x"],
        "hydra.output_subdir: must be a folder that can be written",
    ),
    "deleted key": (
        ["stage=train", "~stage"],
        "~stage: cannot be deleted, only set; write stage=...",
    ),
    "no key": (["stage=train", "+="], "'+=': must begin with a key; write key=value"),
    "value of a flag": (["--cfg", "nope"], "--cfg: must be one of job, hydra, all, got nope"),
    "azure": (["stage=train", "workspace=azure"], "workspace.subscription_id: must be given; set"),
}


@pytest.fixture
def cli(in_process_cli: InProcessCli) -> InProcessCli:
    return in_process_cli


def assert_refused(cli: Cli, kind: str) -> None:
    arguments, expected = BAD_INPUT[kind]
    done = cli(*arguments)
    assert done.returncode == 1
    assert expected in done.stderr
    assert all(line.startswith("error: ") for line in done.stderr.splitlines()), done.stderr
    assert done.stdout == ""
    assert list(cli.folder.iterdir()) == []


@pytest.mark.parametrize("kind", BAD_INPUT)
def test_one_line_and_no_file(cli: Cli, kind: str) -> None:
    assert_refused(cli, kind)


@pytest.mark.parametrize("kind", ["misspelt key", "min above max", "register without run"])
def test_a_process_refuses_as_well(
    make_cli: Callable[[Path], Cli], tmp_path: Path, kind: str
) -> None:
    assert_refused(make_cli(tmp_path), kind)


def test_all_faults_at_once(cli: Cli) -> None:
    done = cli("stage=train", "model.epochs=0", "model.batch_size=0", "model.learning_rate=-1")
    assert len(done.stderr.splitlines()) == 3


def test_an_override_that_stops_hydra_hides_no_other_fault(cli: Cli) -> None:
    done = cli(
        "stage=sweep",
        "sweep.limits.max_total_trials=abc",
        "model.epohcs=1",
        "model.learning_rate=[1",
        "sweep.sampling_algorithm.seed=x",
        "+sweep.search_space.model__epochs={type: choice, values: [1]}",
    )
    keys = {line.removeprefix("error: ").partition(":")[0] for line in done.stderr.splitlines()}
    assert keys == {
        "sweep.limits.max_total_trials",
        "model.epohcs",
        "model.learning_rate=[1",
        "sweep.sampling_algorithm.seed",
        "sweep.search_space.model__epochs",
    }
    assert (done.returncode, done.stdout, list(cli.folder.iterdir())) == (1, "", [])


def test_no_stage_runs_while_further_faults_are_looked_for(cli: Cli) -> None:
    done = cli("stage=compute", "modle.x=1", "hydra.mode=MULTIRUN")
    assert done.stderr.startswith("error: modle")
    assert (done.returncode, done.stdout, cli.outputs.exists()) == (1, "", False)


def test_a_full_traceback_on_request(cli: Cli) -> None:
    done = cli("stage=train", "model=huge", env={"HYDRA_FULL_ERROR": "1"})
    assert done.returncode == 1
    assert "Traceback" in done.stderr


def test_corrupt_data_are_named(cli: Cli) -> None:
    folder = cli.folder / "digits"
    folder.mkdir()
    for name in ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1"):
        (folder / f"{name}-ubyte.gz").write_bytes(gzip.compress(b"not digits at all"))
    done = cli("stage=train", "data=folder", "data.path=digits")
    assert done.returncode == 1
    assert "ubyte.gz" in done.stderr
    assert done.stderr.startswith("error: data.path")
    assert len(done.stderr.splitlines()) == 1
    assert not cli.outputs.exists()


def test_an_outputs_folder_that_is_a_file(cli: Cli) -> None:
    (cli.folder / "outputs").write_text("a file", encoding="utf-8")
    done = cli("stage=compute")
    assert done.returncode == 1
    assert done.stderr.startswith("error: outputs_dir: must be a folder that can be written")
    assert [path.name for path in cli.folder.iterdir()] == ["outputs"]


def test_an_outputs_folder_that_cannot_be_created(cli: Cli) -> None:
    done = cli("stage=compute", "outputs_dir=/proc/outputs")
    assert done.returncode == 1
    assert "error: outputs_dir: must be a folder that can be written" in done.stderr


def test_port_taken(cli: Cli) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = cli("stage=all", f"endpoint.port={port}")
    assert done.returncode == 1
    assert f"endpoint.port: must be a free port of 127.0.0.1, got {port}" in done.stderr
    assert not cli.outputs.exists()


def test_retired_size_is_a_warning_with_date_and_successor(cli: Cli) -> None:
    done = cli("stage=compute", "compute=gpu_cluster", "compute.size=STANDARD_NC6")
    assert done.returncode == 0
    assert "2023-08-31" in done.stderr
    assert "STANDARD_NC4AS_T4_V3" in done.stderr


def test_removed_environment_is_a_warning_with_successor(cli: Cli) -> None:
    name = "AzureML-tensorflow-2.7-ubuntu20.04-py38-cuda11-gpu@latest"
    done = cli("stage=compute", "env=curated", f"env.name={name}")
    assert done.returncode == 0
    assert "AzureML-tensorflow-2.16-cuda12@latest" in done.stderr


def test_a_disk_without_space(cli: Cli, small_disk: Path) -> None:
    done = cli("stage=compute", f"outputs_dir={small_disk / 'outputs'}")
    assert done.returncode == 1
    assert "error: outputs_dir: must be a folder that can be written" in done.stderr
    assert "No space left on device" in done.stderr
    assert list(small_disk.iterdir()) == [small_disk / "full"]


def test_a_missing_key_hides_no_other_fault(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "mine" / "sweep").mkdir(parents=True)
    (tmp_path / "mine" / "sweep" / "mine.yaml").write_text("search_space: {}\n", encoding="utf-8")
    done = cli("--config-dir", "mine", "stage=sweep", "sweep=mine", "model.epochs=0", "seed=-1")
    assert done.returncode == 1
    keys = [line.removeprefix("error: ").split(":")[0] for line in done.stderr.splitlines()]
    assert sorted(keys) == [
        "model.epochs",
        "seed",
        "sweep.limits.max_total_trials",
        "sweep.objective.goal",
        "sweep.objective.primary_metric",
        "sweep.sampling_algorithm.type",
        "sweep.search_space",
    ]
    assert not cli.outputs.exists()
