"""The modules that each process of a run on this machine imports. MLflow alone imports more."""

import shutil
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
#: The end of a process that has not imported what MLflow itself imports by default.
LEAN = "loaded: mlflow"


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory, make_cli: Callable[[Path], Cli]) -> Cli:
    """A job and a sweep in one command. Each process prints at its end what it has imported."""
    cli = make_cli(tmp_path_factory.mktemp("lean"))
    code = cli.folder / "code"
    shutil.copytree(REPOSITORY / "trainer", code, ignore=shutil.ignore_patterns("__pycache__"))
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


def test_the_command_imports_no_more_of_mlflow_than_it_needs(done: Cli) -> None:
    said = (done.folder / "stderr.txt").read_text(encoding="utf-8")
    assert said.splitlines()[-1] == LEAN
    assert "Failure attempting to register" not in said


def test_a_job_and_a_forked_trial_import_nothing_of_azure(done: Cli) -> None:
    logs = list(done.outputs.glob("**/user_logs/std_log.txt"))
    told = [path.read_text(encoding="utf-8") for path in logs]
    # The fork server imports MLflow's pandas module, since a user's own script may want it.
    ends = {text.splitlines()[-1] for text in told}
    assert ends == {LEAN, f"{LEAN} mlflow.data.pandas_dataset"}
    assert not any("Failure attempting" in text for text in told)
    # TensorFlow prints nothing there.
    assert {text.partition(":")[0] for text in told} == {"tracking"}
    (server,) = done.outputs.glob("**/user_logs/fork_server.txt")
    assert server.read_text(encoding="utf-8") == ""
