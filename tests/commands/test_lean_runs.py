"""What a run on this machine loads, in each of its processes, where MLflow would load more."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.command_line import Cli
from tests.support.paths import REPOSITORY

REPORT = """\
import atexit, sys

def report():
    wanted = {"azure", "mlflow", "mlflow.data.pandas_dataset"}
    print("loaded:", *sorted(wanted & set(sys.modules)), file=sys.stderr)

atexit.register(report)
"""
DRIVER = f"{REPORT}\nfrom mnist_exp.__main__ import main\nsys.argv[0] = 'mnist-exp'\nmain()\n"
SPY = f"{REPORT}\nimport train\nsys.exit(train.main())\n"
#: Not what MLflow loads by itself wherever it is installed.
LEAN = "loaded: mlflow"


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory, make_cli: Callable[[Path], Cli]) -> Cli:
    """A job and a sweep in one command, whose processes tell at their end what they loaded."""
    cli = make_cli(tmp_path_factory.mktemp("lean"))
    code = cli.folder / "code"
    code.mkdir()
    for path in (REPOSITORY / "trainer").glob("*.py"):
        (code / path.name).write_bytes(path.read_bytes())
    (code / "spy.py").write_text(SPY, encoding="utf-8")
    arguments = ["-m", "stage=train,sweep", "sweep=quick", "model.epochs=1"]
    arguments += ["sweep.limits.max_total_trials=1", "sweep.limits.max_concurrent_trials=1"]
    arguments += [f"job.code={code}", "job.script=spy.py"]
    ended = subprocess.run(
        [sys.executable, "-c", DRIVER, *arguments],
        cwd=cli.folder,
        env=cli.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    (cli.folder / "stderr.txt").write_text(ended.stderr, encoding="utf-8")
    return cli


def test_the_command_loads_no_more_of_mlflow_than_it_needs(done: Cli) -> None:
    said = (done.folder / "stderr.txt").read_text(encoding="utf-8")
    assert said.splitlines()[-1] == LEAN
    assert "Failure attempting to register" not in said


def test_neither_does_a_job_and_a_forked_trial_nothing_of_azure(done: Cli) -> None:
    logs = list(done.outputs.glob("**/user_logs/std_log.txt"))
    told = [path.read_text(encoding="utf-8") for path in logs]
    # A script of the user's own may want what MLflow makes of pandas: trials are forked with that.
    ends = {text.splitlines()[-1] for text in told}
    assert ends == {LEAN, f"{LEAN} mlflow.data.pandas_dataset"}
    assert not any("Failure attempting" in text for text in told)
    # Nor does TensorFlow greet anybody there.
    assert {text.partition(":")[0] for text in told} == {"tracking"}
    (server,) = done.outputs.glob("**/user_logs/fork_server.txt")
    assert server.read_text(encoding="utf-8") == ""
