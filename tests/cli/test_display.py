"""The proposed next command."""

import shlex
import subprocess
import sys
from dataclasses import replace

import pytest

from mnist_exp.cli.display import RichDisplay
from mnist_exp.config import Stage
from mnist_exp.results import JobResult, TrialResult
from mnist_exp.status import JobStatus
from tests.support.sample_results import record


@pytest.mark.parametrize(
    "once",
    [
        "endpoint.regenerate_key=primary",
        "endpoint.traffic={tff-blue: 100}",
        "+endpoint.traffic.tff-blue=100",
        "endpoint.mirror_traffic={tff-green: 10}",
        "endpoint.invoke_deployment=tff-green",
        "run=model:1",
    ],
)
def test_an_override_for_one_command_is_not_proposed_again(
    capsys: pytest.CaptureFixture[str], once: str
) -> None:
    display = RichDisplay(["stage=deploy", once, "endpoint.name=mine", "outputs_dir=here"])
    display.stage_ended(record(Stage.deploy))
    line = capsys.readouterr().out.splitlines()[-1]
    assert line.split() == [
        "next",
        "mnist-exp",
        "stage=invoke",
        "endpoint.name=mine",
        "outputs_dir=here",
    ]


def test_the_proposed_cleanup_deletes_the_endpoint(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["endpoint.name=mine", "endpoint.deployment.name=tff-green"]
    RichDisplay(words).stage_ended(record(Stage.register))
    assert capsys.readouterr().out.splitlines()[-1].endswith(" ".join(words))
    mapping = "endpoint={traffic: {blue: 100}, invoke_deployment: 'a, b', name: mine}"
    RichDisplay([mapping]).stage_ended(replace(record(Stage.deploy), name="mine"))
    found = shlex.split(capsys.readouterr().out.splitlines()[-1])
    assert found[-2:] == ["endpoint.invoke_deployment='a, b'", "endpoint.name=mine"]
    invoked = replace(record(Stage.invoke), name="mine")
    for given in (
        words,
        ["endpoint=blue_green"],
        ["endpoint={name: mine, deployment: {name: tff-green}}"],
        ["endpoint/environment@endpoint.deployment.environment=azure"],
    ):
        RichDisplay(given).stage_ended(invoked)
        found = capsys.readouterr().out.splitlines()[-1]
        assert found.endswith(" stage=cleanup endpoint.name=mine")


def test_the_summary_does_not_repeat_why_a_sweep_failed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    trials = [TrialResult("sweep_1_0", JobStatus.FAILED, {}, why="exit code 1", log="/x/log")]
    display = RichDisplay(["stage=sweep"])
    with display.watching(None, "acc", 2) as observer:
        observer.job_changed(JobResult("sweep_1", JobStatus.FAILED, trials=trials))
    entries = [
        {"name": f"sweep_1_{n}", "status": "Failed", "parameters": {}, "why": why, "log": "/x/log"}
        for n, why in enumerate(("exit code 1", "exit code 2"))
    ]
    ended = {"status": JobStatus.FAILED, "why": "the first: exit code 1", "trials": entries}
    display.stage_ended(record(Stage.sweep, **ended))
    printed = capsys.readouterr()
    assert "exit code 1" in printed.err
    assert "exit code 1" not in printed.out
    assert "trial 0\n" in printed.out
    assert "trial 1: exit code 2" in printed.out


@pytest.mark.external
def test_the_reports_libraries_are_imported_while_a_job_starts() -> None:
    program = (
        "import sys\n"
        "from mnist_exp.cli.display import RichDisplay\n"
        "with RichDisplay([]).watching(None, 'acc', 8) as observer:\n"
        "    print('matplotlib' in sys.modules, 'sklearn' in sys.modules)\n"
        "    observer.idle()\n"
        "    print('matplotlib' in sys.modules, 'sklearn' in sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == ["False False", "True True"]
