"""A user's own experiment: a script that logs to MLflow, and its YAML files."""

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.files import write_file
from tests.support.scripts import SCORE
from tests.support.small_jobs import LOGGER

#: A script that logs a metric, which rises with `lr`, and writes a model file. The script fails if
#: `lr` is above a limit.
SCRIPT = """\
import argparse, pathlib, sys
from logger import log_metric

parser = argparse.ArgumentParser()
parser.add_argument("--lr", type=float)
parser.add_argument("--fail-above", type=float)
arguments = parser.parse_args()
for step in range(1, 4):
    log_metric("score", arguments.lr * step, step=step)
pathlib.Path("outputs", "model").mkdir()
pathlib.Path("outputs", "model", "weight.txt").write_text(str(arguments.lr))
# A file with the name of the trainer's evaluation, but with other content.
odd = '{"confusion_matrix": [["a"]], "classes": 3}'
pathlib.Path("outputs", "evaluation.json").write_text(odd)
if arguments.lr > arguments.fail_above:
    print("the weights went away")
    sys.exit(1)
"""

#: The same script with MLflow. The import of MLflow takes two seconds of processor time.
SCRIPT_WITH_MLFLOW = SCRIPT.replace("from logger import", "from mlflow import")

#: A scoring script whose init() fails.
BROKEN = "def init(): raise OSError('no weights')\ndef run(raw_data): return 1\n"

JOB = """\
experiment_name: mine
code: ../../code
script: fit.py
inputs: {lr: 0.5, fail_above: 10}
primary_metric: score
"""

SWEEP = """\
sampling_algorithm: {type: grid}
search_space:
  lr: {type: choice, values: [0.25, 2.0, 11.0]}
objective: {primary_metric: score, goal: maximize}
limits: {max_total_trials: 3, max_concurrent_trials: 2}
early_termination: null
"""

ENDPOINT = """\
defaults: [tutorial, _self_]
deployment: {code: ../../code, scoring_script: score.py}
"""


@pytest.fixture(scope="session")
def mine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A config folder for `--config-dir`. The code folder is beside it."""
    root = tmp_path_factory.mktemp("experiment of mine")
    files = {
        "code/fit.py": SCRIPT,
        "code/with_mlflow.py": SCRIPT_WITH_MLFLOW,
        "code/logger.py": LOGGER,
        "code/score.py": SCORE,
        "code/broken.py": BROKEN,
        "conf/job/mine.yaml": JOB,
        "conf/sweep/mine.yaml": SWEEP,
        "conf/endpoint/mine.yaml": ENDPOINT,
    }
    for name, text in files.items():
        write_file(root / name, text)
    return root / "conf"


@pytest.fixture
def small_disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A full file system of one megabyte. Only root can mount it."""
    folder = tmp_path_factory.mktemp("disk")
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip("only root can mount a small file system")
    try:
        with contextlib.suppress(OSError), (folder / "full").open("wb", buffering=0) as file:
            while True:
                file.write(b"\0" * 4096)
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)
