"""The Python API, in this process, with scripts that start fast."""

import contextlib
import io
import signal
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

import mnist_exp as mx
from mnist_exp.past_runs import PastRun
from mnist_exp.workspaces.local.tracking.database import STORE_NAME
from tests.support.command_line import Cli
from tests.support.files import write_file
from tests.support.in_process import InProcessCli
from tests.support.paths import REPOSITORY
from tests.support.sample_results import record
from tests.support.waiting import eventually

#: A script that creates the file `there`, and then runs until it is ended.
ENDLESS = """\
import argparse, pathlib, time
parser = argparse.ArgumentParser()
parser.add_argument("--there")
pathlib.Path(parser.parse_args().there).touch()
time.sleep(600)
"""


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory, empty_store: Path) -> Path:
    """An outputs folder with an empty MLflow store."""
    folder = tmp_path_factory.mktemp("api") / "outputs"
    folder.mkdir()
    (folder / STORE_NAME).write_bytes(empty_store.read_bytes())
    return folder


#: Arguments in the README's example -> arguments of an experiment that starts fast.
FAST = {
    '"model=wide", epochs=5': '"job=mine", lr=0.75, config_dir=mine',
    '"sweep=quick"': '"job=mine", "sweep=mine", config_dir=mine',
    "deploy()": 'deploy("endpoint=mine")',
}


@dataclass(frozen=True)
class Example:
    """The README's example after its run: its variables, and the text that it printed."""

    variables: Mapping[str, Any]
    printed: str


@pytest.fixture(scope="module")
def example(mine: Path, outputs: Path) -> Example:
    readme = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    text = readme.partition("```python\n")[2].partition("```")[0]
    for given, fast in FAST.items():
        assert text.count(given) == 1
        text = text.replace(given, fast)
    variables = {"mine": mine}
    printed = io.StringIO()
    with contextlib.chdir(outputs.parent), contextlib.redirect_stdout(printed):
        exec(compile(text, "README.md", "exec"), variables)
    return Example(variables, printed.getvalue())


@pytest.fixture(scope="module")
def trained(example: Example) -> mx.Run:
    run: mx.Run = example.variables["r"]
    return run


@pytest.fixture(scope="module")
def swept(example: Example) -> mx.Run:
    run: mx.Run = example.variables["s"]
    return run


def endless_job(folder: Path) -> Path:
    """Write a job whose script never ends. Return the config folder."""
    write_file(folder / "code/fit.py", ENDLESS)
    job = "experiment_name: e\ncode: ../../code\nscript: fit.py\ninputs: {there: x}\n"
    write_file(folder / "conf/job/endless.yaml", f"{job}primary_metric: null\n")
    return folder / "conf"


def test_a_training_run_returns_a_handle(trained: mx.Run, outputs: Path) -> None:
    assert trained.status == "Completed"
    assert trained.name in repr(trained)
    assert trained.metrics == {"score": 2.25}
    assert trained.parameters == {"lr": 0.75, "fail_above": 10}
    assert trained.history("score").to_dict("list") == {
        "step": [1, 2, 3],
        "value": [0.75, 1.5, 2.25],
    }
    assert (trained.folder / "run.json").is_file()
    assert list(trained.logs()) == []
    assert "lr=0.75" in trained._repr_html_()
    with pytest.raises(mx.MnistExpError, match=r"must be a metric of .*'scor'; there are: score"):
        trained.history("scor")
    with pytest.raises(mx.MnistExpError, match="must be a sweep with a best trial"):
        _ = trained.best


def test_a_job_file_runs(tmp_path: Path, outputs: Path) -> None:
    text = "command: echo ${{inputs.x}} > $AZURE_ML_OUTPUT_o/x\nenvironment: {image: python}\n"
    write_file(
        tmp_path / "job 1.yml", f"{text}inputs: {{x: 1}}\noutputs: {{o: }}\ntags: {{a: b}}\n"
    )
    own = ("set.inputs.x=2", "job.display_name=shown")
    ran = mx.run_file(tmp_path / "job 1.yml", *own, outputs_dir=outputs, display="none")
    assert ran.status == "Completed"
    assert (outputs / "jobs" / ran.name / "named_outputs" / "o" / "x").read_text() == "2\n"


def test_a_sweep_has_trials(swept: mx.Run) -> None:
    assert swept.best.parameters == swept.parameters == {"lr": 11.0}
    assert swept.best.value == swept.metrics["score"] == 33.0
    trials = swept.trials_dataframe()
    assert list(trials["params_lr"]) == [0.25, 2.0, 11.0]
    assert list(trials["status"]) == ["Completed", "Completed", "Failed"]
    history = swept.history("score")
    assert list(history[history["trial"] == 1]["value"]) == [2.0, 4.0, 6.0]


def test_past_runs_are_handles(trained: mx.Run, swept: mx.Run, outputs: Path) -> None:
    runs = mx.runs(outputs_dir=outputs, status="Completed", max_value=2.25)
    assert [run.name for run in runs if run.name == trained.name] == [trained.name]
    assert swept.name not in [run.name for run in runs]
    frame = runs.to_frame().set_index("name")
    assert frame.loc[trained.name, ["params_lr", "metrics_score"]].tolist() == [0.75, 2.25]
    assert trained.name in str(runs)
    assert trained.name in runs[:1]._repr_html_() + runs._repr_html_()
    assert str(mx.runs(outputs_dir=outputs, status="Queued")) == "no runs"
    assert len(mx.runs("runs.limit=1", outputs_dir=outputs)) == 1
    of_loss = mx.runs("runs.metric=loss", outputs_dir=outputs)
    assert str(of_loss) == str(mx.runs(metric="loss", outputs_dir=outputs)) == "no runs"
    assert trained.name in str(mx.runs(metric="score", outputs_dir=outputs))
    with pytest.raises(mx.ConfigError, match=r"^runs.stage: "):
        mx.runs(stage="trian", outputs_dir=outputs)


def test_a_dry_run_prints_as_its_display_says(
    mine: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for display in ("none", "text"):
        settings = {"config_dir": mine, "outputs_dir": tmp_path, "dry_run": True}
        mx.train("job=mine", display=display, **settings)
        printed = capsys.readouterr()
        assert printed.err == ""
        assert ("--- # train " in printed.out) == (display == "text")


def test_runs_are_compared(trained: mx.Run, swept: mx.Run) -> None:
    compared = mx.compare(trained, swept)
    frame = compared.to_frame()
    assert frame.loc["params_lr"].tolist() == [0.75, 11.0]
    assert list(frame.index[:3]) == ["stage", "status", "metrics_score"]
    other = mx.Run(PastRun([record()], [Path()]), trained._origin)
    rows = mx.Comparison([trained, other], None).to_frame()
    assert repr(rows.loc["params_fail_above", trained.name]) == "10"
    assert compared.figure is not None
    assert compared.figure.is_file()
    assert "<img" in compared._repr_html_()
    assert swept.name in str(compared)
    with pytest.raises(mx.ConfigError, match="at least two different jobs"):
        mx.compare(trained, trained)


def test_the_example_of_the_readme_prints_its_results(example: Example) -> None:
    lines = example.printed.splitlines()
    assert "{'lr': 11.0}" in lines
    assert any(line.split() == ["score", "2.25", "33"] for line in lines), example.printed
    assert "[11.]" in lines


def test_an_endpoint_is_deleted_at_the_end_of_its_block(example: Example) -> None:
    endpoint = example.variables["endpoint"]
    assert endpoint.status == "Completed"
    with pytest.raises(mx.MnistExpError, match=endpoint.name):
        endpoint.invoke(np.zeros((1, 784)))


def test_a_job_in_the_background_has_a_handle(tmp_path: Path, outputs: Path) -> None:
    there = tmp_path / "there"
    conf = endless_job(tmp_path)
    run = mx.train(
        "job=endless", there=there, config_dir=conf, outputs_dir=outputs, wait=False, display="none"
    )
    assert run.status == "Running"
    eventually(there.exists)
    run.cancel()
    with pytest.raises(mx.JobError, match="canceled by the user"):
        run.wait()
    assert run.status == "Canceled"


def test_the_command_line_writes_the_same_files(
    trained: mx.Run, mine: Path, stored_cli: InProcessCli
) -> None:
    stored_cli.ok("--config-dir", str(mine), "stage=train", "job=mine", "job.inputs.lr=0.75")
    (folder,) = stored_cli.outputs.glob("runs/*/*")
    names = [path.relative_to(folder) for path in sorted(folder.rglob("*"))]
    assert names == [path.relative_to(trained.folder) for path in sorted(trained.folder.rglob("*"))]
    for name in ("config", "hydra"):
        ours, theirs = (
            yaml.safe_load((one / ".hydra" / f"{name}.yaml").read_text(encoding="utf-8"))
            for one in (trained.folder, folder)
        )
        assert leaves(ours) == leaves(theirs)
    (record,) = stored_cli.records("train")
    assert trained.record.fingerprint == record["fingerprint"]
    assert trained.record.overrides[:3] == record["overrides"]


#: Keys whose values differ between two commands in different folders.
OWN = ("outputs_dir", "cwd", "output_dir", "override_dirname", "task", "run")


def leaves(content: object, key: str = "") -> dict[str, object]:
    """Return key -> value for each value that two commands share."""
    if not isinstance(content, dict):
        return {} if key.rpartition(".")[2] in OWN else {key: content}
    return {
        name: value
        for part in content
        for name, value in leaves(content[part], f"{key}.{part}").items()
    }


def test_a_failed_job_raises_its_reason(mine: Path, outputs: Path) -> None:
    with pytest.raises(mx.JobError, match="exit code 1: the weights went away") as caught:
        mx.train("job=mine", lr=11, config_dir=mine, outputs_dir=outputs, display="none")
    assert caught.value.log_tail == ("the weights went away",)


def test_a_fault_leaves_no_folder_behind(mine: Path, tmp_path: Path) -> None:
    with pytest.raises(mx.ConfigError) as caught:
        mx.train("job=mine", lr=1, seed=-1, timeout=-1, outputs_dir=tmp_path / "x", config_dir=mine)
    assert [line.partition(":")[0] for line in caught.value.lines] == ["timeout", "seed"]
    assert not (tmp_path / "x").exists()


def test_threads_run_jobs_at_the_same_time(mine: Path, outputs: Path) -> None:
    def train(lr: float) -> mx.Run:
        return mx.train("job=mine", lr=lr, config_dir=mine, outputs_dir=outputs, display="none")

    with ThreadPoolExecutor() as pool:
        runs = list(pool.map(train, [1.0, 2.0]))
    assert [run.metrics["score"] for run in runs] == [3.0, 6.0]


def test_an_interrupt_cancels_the_job_and_no_handler_is_installed(
    tmp_path: Path, outputs: Path
) -> None:
    conf = endless_job(tmp_path)
    there = tmp_path / "there"
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    during: list[object] = []

    def interrupt() -> None:
        eventually(there.exists)
        during.extend(signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM))
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    stop_button = threading.Thread(target=interrupt, daemon=True)
    stop_button.start()
    with pytest.raises(KeyboardInterrupt):
        mx.train(
            "job=endless",
            there=there,
            config_dir=conf,
            outputs_dir=outputs,
            display="none",
        )
    stop_button.join()
    assert during == before
    record = Cli(outputs.parent, tmp_path).records("train")[-1]
    assert (record["status"], record["why"]) == ("Canceled", "canceled by the user")
