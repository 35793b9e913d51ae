"""The tutorial as one command of a user: `stage=all` on real digits, with the real trainer."""

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.command_line import Cli
from tests.support.paths import REPOSITORY

#: Number of trials. The tutorial has more trials, which would take longer.
TRIALS = 4
EPOCHS = 20
#: Tests that use `tutorial` have the mark `pytest.mark.xdist_group(TUTORIAL_GROUP)`.
TUTORIAL_GROUP = "tutorial"

#: Prints at the end of a process which of these modules the process has imported.
REPORT = """\
import atexit, sys

def report():
    wanted = {"azure", "mlflow", "mlflow.data.pandas_dataset"}
    print("loaded:", *sorted(wanted & set(sys.modules)), file=sys.stderr)

atexit.register(report)
"""
COMMAND = f"{REPORT}\nfrom mnist_exp.__main__ import main\nsys.argv[0] = 'mnist-exp'\nmain()\n"


@pytest.fixture(scope="session")
def tutorial(tmp_path_factory: pytest.TempPathFactory, make_cli: Callable[[Path], Cli]) -> Cli:
    """The command line in a folder in which `stage=all` has run.

    `stdout.txt` and `stderr.txt` have the output. The command and its jobs also print the modules
    that they have imported.
    """
    cli = make_cli(tmp_path_factory.mktemp("tutorial"))
    arguments = [
        "stage=all",
        "compute=gpu_cluster",
        f"job.code={_reporting_trainer(cli.folder / 'code')}",
        f"sweep.limits.max_total_trials={TRIALS}",
        "sweep.limits.max_concurrent_trials=2",
    ]
    done = cli.run([sys.executable, "-c", COMMAND, *arguments])
    assert done.returncode == 0, done.stdout + done.stderr
    (cli.folder / "stdout.txt").write_text(done.stdout, encoding="utf-8")
    (cli.folder / "stderr.txt").write_text(done.stderr, encoding="utf-8")
    return cli


def _reporting_trainer(folder: Path) -> Path:
    """Copy the trainer to a folder. The copy of `train.py` prints a report at its end."""
    shutil.copytree(REPOSITORY / "trainer", folder, ignore=shutil.ignore_patterns("__pycache__"))
    script = folder / "train.py"
    start = "if __name__ =="
    text = script.read_text(encoding="utf-8").replace(start, f"{REPORT}\n{start}")
    script.write_text(text, encoding="utf-8")
    return folder
