"""What must be quick stays quick: it imports nothing that is slow."""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.external

#: None of these is needed to compose a config; together they take ten seconds to import.
SLOW = {
    "azure",
    "azureml",
    "keras",
    "matplotlib",
    "mlflow",
    "mlxtend",
    "numpy",
    "pandas",
    "pooch",
    "scipy",
    "sqlalchemy",
    "starlette",
    "tensorflow",
    "uvicorn",
}

DRIVER = """\
import atexit, sys

def report():
    loaded = {name.partition(".")[0] for name in sys.modules}
    print("loaded:", *sorted(loaded), file=sys.stderr)

atexit.register(report)
from mnist_exp.__main__ import main
sys.argv[0] = "mnist-exp"
main()
"""


def loaded_by(arguments: list[str], folder: Path) -> tuple[str, set[str], int]:
    """Return what a command prints, the packages that it loads, and its exit code."""
    done = subprocess.run(
        [sys.executable, "-c", DRIVER, *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("loaded:")]
    return done.stdout, set(line.split()[1:]), done.returncode


@pytest.mark.parametrize(
    ("arguments", "printed", "code"),
    [
        (["--help"], "mnist-exp stage=all", 0),
        (["--cfg", "job", "stage=all"], "learning_rate: 0.01", 0),
        (["--cfg", "job", "stage=all", "profile=azure"], "type: azure", 0),
        (["stage=train", "model=huge"], "", 1),
        (["stage=sweep", "model.epochs=0"], "", 1),
        ([], "", 1),
    ],
)
def test_looking_and_misspelling_load_nothing_slow(
    tmp_path: Path, arguments: list[str], printed: str, code: int
) -> None:
    output, loaded, exit_code = loaded_by(arguments, tmp_path)
    assert exit_code == code
    assert printed in output
    assert {"mnist_exp", "hydra"} <= loaded
    assert loaded & SLOW == set()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("stage", ["compute", "status"])
def test_a_stage_that_needs_no_store_does_not_wait_for_mlflow(tmp_path: Path, stage: str) -> None:
    _, loaded, exit_code = loaded_by([f"stage={stage}"], tmp_path)
    assert exit_code == 0
    assert "mnist_exp" in loaded
    assert loaded & {"azure", "matplotlib", "mlflow", "pandas", "sqlalchemy", "tensorflow"} == set()
