"""The wheel: its files, and that it works from any folder."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.support.command_line import Cli
from tests.support.paths import REPOSITORY

pytestmark = pytest.mark.external


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built wheel."""
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, "."],
        cwd=REPOSITORY,
        check=True,
        capture_output=True,
    )
    (built,) = folder.glob("*.whl")
    return built


def test_the_package_contains_config_and_trainer(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.partition("/")[0] for name in names if ".dist-info" not in name} == {"mnist_exp"}
    assert "mnist_exp/conf/config.yaml" in names
    assert "mnist_exp/trainer/train.py" in names
    assert "mnist_exp/trainer/.amlignore" in names
    assert "mnist_exp/py.typed" in names
    in_repository = {
        f"mnist_exp/{path.relative_to(REPOSITORY).as_posix()}"
        for path in (REPOSITORY / "conf").rglob("*.yaml")
    }
    assert in_repository <= set(names)
    assert not [name for name in names if "__pycache__" in name]


def test_it_runs_installed_and_writes_to_the_current_folder(
    wheel: Path, cli: Cli, tmp_path_factory: pytest.TempPathFactory
) -> None:
    target = tmp_path_factory.mktemp("site")
    subprocess.run(
        [
            *(sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"),
            *("--target", target, wheel),
        ],
        check=True,
        capture_output=True,
    )
    assert {path.name for path in target.iterdir()} - {"bin"} == {
        "mnist_exp",
        next(path.name for path in target.iterdir() if path.suffix == ".dist-info"),
    }
    installed = {"PYTHONPATH": str(target)}
    done = cli(
        "stage=train",
        "job.script=null",
        "job.command='test -f train.py && test -f score.py'",
        env=installed,
    )
    assert done.returncode == 0, done.stderr
    assert (cli.outputs / "index.jsonl").exists()
    shown = cli("--info", "searchpath", env=installed)
    assert str(target / "mnist_exp" / "conf") in shown.stdout
    assert str(REPOSITORY) not in shown.stdout
