"""Whether a code folder is small enough, and contains what the job and Azure need."""

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
    assert "the largest entries are .venv (100 MB), .git (20 MB), d (1.0 MB); " in line
    assert line.endswith(f"write its name in {tmp_path / '.amlignore'}")


def test_ignored_entries_do_not_count(tmp_path: Path) -> None:
    sparse(tmp_path / ".venv" / "a", 200_000_000)
    (tmp_path / ".amlignore").write_text(".venv/\n")
    assert found(tmp_path, "train") == []
    (tmp_path / ".amlignore").rename(tmp_path / ".gitignore")
    assert found(tmp_path, "train") == []


def faults(code: Path, stage: str, *overrides: str) -> list[str]:
    config = fresh_config(f"stage={stage}", *overrides)
    config.job.code = config.endpoint.deployment.code = str(code)
    config.job.script, config.endpoint.deployment.scoring_script = "train.py", "score.py"
    config.outputs_dir = str(code / "outputs")
    return [line for line in checks.faults(config) if str(code) in line]


@pytest.mark.parametrize(
    ("stage", "key", "script"),
    [
        ("train", "job.script", "train.py"),
        ("deploy", "endpoint.deployment.scoring_script", "score.py"),
    ],
)
def test_an_ignore_file_that_excludes_the_script_is_a_fault(
    tmp_path: Path, stage: str, key: str, script: str
) -> None:
    for name in ("train.py", "score.py"):
        (tmp_path / name).touch()
    assert faults(tmp_path, stage) == []
    (tmp_path / ".amlignore").write_text("*.py\n")
    assert faults(tmp_path, stage) == [
        f"{key}: must be a file that {tmp_path / '.amlignore'} does not exclude, got {script}; "
        f"add the line !/{script} to the end of {tmp_path / '.amlignore'}"
    ]
    (tmp_path / ".amlignore").write_text(f"*.py\n!/{script}\n")
    assert faults(tmp_path, stage) == []


@pytest.mark.parametrize(
    ("command", "is_fault"),
    [
        ("python -u t.py --lr 0.1", True),
        ("pip install x && python3.11 ./t.py > log.txt", True),
        ("(bash t.py)", True),
        ("./t.py", True),
        ("python kept.py t.py", False),
        ("rm -f t.py", False),
        ("cd sub && python t.py.txt", False),
        ("python {{inputs.script}}", False),
    ],
)
def test_an_ignore_file_that_excludes_a_file_of_the_command_is_a_fault(
    tmp_path: Path, command: str, is_fault: bool
) -> None:
    for name in ("t.py", "kept.py"):
        (tmp_path / name).touch()
    (tmp_path / ".amlignore").write_text("t.py\n")
    config = fresh_config("stage=train")
    config.job.code, config.job.script, config.job.command = str(tmp_path), None, command
    expected = (
        f"job.command: must run only files that {tmp_path / '.amlignore'} does not exclude, got "
        f"t.py; add the line !/t.py to the end of {tmp_path / '.amlignore'}"
    )
    assert [line for line in checks.faults(config) if "exclude" in line] == [expected] * is_fault


def test_an_invalid_ignore_file_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "train.py").touch()
    (tmp_path / ".amlignore").write_text("!\n")
    (line,) = faults(tmp_path, "train")
    assert line.startswith(f"{tmp_path / '.amlignore'}: line 1 must be a pattern")


def test_what_the_sdk_cannot_upload_is_a_fault_on_azure(tmp_path: Path) -> None:
    (tmp_path / "train.py").touch()
    (tmp_path / "up").symlink_to("..", target_is_directory=True)
    (tmp_path / "broken").symlink_to("nowhere")
    (tmp_path / "ignored").symlink_to("nowhere")
    (tmp_path / ".amlignore").write_text("ignored\n/outputs/*\n!/outputs/.gitkeep\n")
    assert faults(tmp_path, "train") == []
    found = faults(tmp_path, "train", "workspace=azure")
    assert sorted(line.partition(", which Azure")[0] for line in found) == [
        f"{tmp_path / name}: must not be in a code folder on Azure, because the path {what}"
        for name, what in (("broken", "is a broken link"), ("up", "is a link to a parent folder"))
    ]


def test_the_sdk_must_not_upload_the_outputs_folder(tmp_path: Path) -> None:
    for name in ("train.py", ".gitignore"):
        (tmp_path / name).touch()
    assert faults(tmp_path, "train") == []
    assert faults(tmp_path, "train", "workspace=azure") == [
        "job.code: must not contain the outputs folder on Azure, because Azure's SDK would upload "
        f"its records and keys, got {tmp_path / 'outputs'}; add the line /outputs/ to "
        f"{tmp_path / '.gitignore'}"
    ]
    (tmp_path / ".gitignore").write_text("/outputs/\n")
    assert faults(tmp_path, "train", "workspace=azure") == []


@pytest.mark.parametrize("workspace", ["local", "azure"])
def test_the_code_folder_must_not_be_the_outputs_folder(tmp_path: Path, workspace: str) -> None:
    (tmp_path / "train.py").touch()
    config = fresh_config("stage=train", f"workspace={workspace}")
    config.job.code, config.job.script = str(tmp_path), "train.py"
    config.outputs_dir = str(tmp_path)
    (found,) = (line for line in checks.faults(config) if str(tmp_path) in line)
    assert found.startswith("job.code: must not be the outputs folder")
