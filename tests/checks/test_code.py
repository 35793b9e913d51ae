"""Whether a code folder is small enough to be copied for each job."""

from pathlib import Path

import pytest

from mnist_exp import checks
from tests.support.configs import fresh_config


def sparse(path: Path, size: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.truncate(size)


def found(code: Path, stage: str) -> list[str]:
    config = fresh_config(f"stage={stage}")
    config.job.code = config.endpoint.deployment.code = str(code)
    config.outputs_dir = str(code / "outputs")
    return [line for line in checks.warnings(config) if "are copied from" in line]


@pytest.mark.parametrize(
    ("stage", "key"), [("sweep", "job.code"), ("deploy", "endpoint.deployment.code")]
)
def test_a_large_code_folder_is_a_warning(tmp_path: Path, stage: str, key: str) -> None:
    for name, size in ((".venv/a/b", 90), (".venv/c", 10), (".git/x", 20), ("t.py", 0), ("d", 1)):
        sparse(tmp_path / name, size * 1_000_000)
    sparse(tmp_path / "outputs" / "mlflow.db", 500_000_000)
    (line,) = found(tmp_path, stage)
    assert line.startswith(f"{key}: 5 files with 121 MB are copied from {tmp_path}; ")
    assert "the largest entries are .venv (100 MB), .git (20 MB), d (1 MB); " in line
    assert line.endswith(f"write its name in {tmp_path / '.amlignore'}")


def test_ignored_entries_do_not_count(tmp_path: Path) -> None:
    sparse(tmp_path / ".venv" / "a", 200_000_000)
    (tmp_path / ".amlignore").write_text(".venv/\n")
    assert found(tmp_path, "train") == []
    (tmp_path / ".amlignore").rename(tmp_path / ".gitignore")
    assert found(tmp_path, "train") == []
