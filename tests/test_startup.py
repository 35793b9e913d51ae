"""Commands that must be quick import nothing slow."""

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

pytestmark = pytest.mark.external

#: Packages that composing a config does not need; together they take ten seconds to import.
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

#: Runs one command after the other in one process, and prints after each what it has loaded. What
#: an earlier command loads stays loaded, so the slow ones must come last.
DRIVER = """\
import contextlib, io, json, os, sys

from mnist_exp.cli.main import main

for folder, *arguments in json.loads(sys.argv[1]):
    os.chdir(folder)
    sys.argv = ["mnist-exp", *arguments]
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(io.StringIO()):
        try:
            main()
            code = 0
        except SystemExit as leaving:
            code = leaving.code or 0
    loaded = sorted({name.partition(".")[0] for name in sys.modules})
    print(json.dumps([code, out.getvalue(), loaded]))
"""


@dataclass(frozen=True)
class Command:
    """A command, and what must be true of it."""

    arguments: list[str]
    printed: str = ""
    code: int = 0


LOOKING = [
    Command(["--help"], "mnist-exp stage=all"),
    Command(["--cfg", "job", "stage=all"], "learning_rate: 0.01"),
    Command(["--cfg", "job", "stage=all", "profile=azure"], "type: azure"),
]
MISSPELT = [
    Command(["stage=train", "model=huge"], code=1),
    Command(["stage=sweep", "model.epochs=0"], code=1),
    Command([], code=1),
]
WITHOUT_STORE = [Command(["stage=compute"]), Command(["stage=status"])]
#: Packages that only a stage needs.
OF_STAGES = {"httpx", "rich"}


def loaded_by(commands: list[Command], folder: Path) -> Iterator[tuple[Path, set[str]]]:
    """Yield each command's folder, and the packages that are loaded after the command."""
    folders = [folder / str(number) for number in range(len(commands))]
    for one in folders:
        one.mkdir()
    calls = [[str(one), *command.arguments] for one, command in zip(folders, commands, strict=True)]
    done = subprocess.run(
        [sys.executable, "-c", DRIVER, json.dumps(calls)],
        capture_output=True,
        text=True,
        check=True,
    )
    lines = done.stdout.splitlines()
    for command, one, line in zip(commands, folders, lines, strict=True):
        code, printed, loaded = json.loads(line)
        assert code == command.code
        assert command.printed in printed
        assert {"mnist_exp", "hydra"} <= set(loaded)
        yield one, set(loaded)


@pytest.mark.parametrize("commands", [LOOKING, MISSPELT], ids=["looking", "misspelt"])
def test_looking_and_misspelling_load_nothing_slow(tmp_path: Path, commands: list[Command]) -> None:
    for folder, loaded in loaded_by(commands, tmp_path):
        assert loaded & SLOW == set()
        assert list(folder.iterdir()) == []


def test_printing_a_config_does_not_import_the_stages(tmp_path: Path) -> None:
    for _, loaded in loaded_by(LOOKING, tmp_path):
        assert loaded & OF_STAGES == set()


def test_the_list_of_runs_does_not_import_the_workspace(tmp_path: Path) -> None:
    (_, loaded), *_ = loaded_by([Command(["stage=runs"], "no run is recorded")], tmp_path)
    assert loaded & (SLOW | {"httpx"}) == set()


def test_a_stage_that_needs_no_store_does_not_wait_for_mlflow(tmp_path: Path) -> None:
    unneeded = {"azure", "matplotlib", "mlflow", "pandas", "sqlalchemy", "tensorflow"}
    for _, loaded in loaded_by(WITHOUT_STORE, tmp_path):
        assert loaded & unneeded == set()
