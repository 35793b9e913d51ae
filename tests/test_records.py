import json
import math
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest

from mnist_exp.config import Stage
from mnist_exp.errors import NotFoundError
from mnist_exp.records import SCHEMA_VERSION, Record, RecordIndex, load_record, write_json
from mnist_exp.status import JobStatus
from tests.support.recorded_outputs import RecordedOutputs


def record(name: str = "train_1", stage: Stage = Stage.train, **changes: object) -> Record:
    given = {"status": JobStatus.COMPLETED, "started": "2026-11-01T10:00:00+00:00", **changes}
    return Record(stage=stage, name=name, **given)  # type: ignore[arg-type]


def test_a_record_is_read_as_it_was_written(tmp_path: Path) -> None:
    written = record(
        parameters={"lr": 0.5, "name": "ü"},
        metrics={"validation_acc": 0.9},
        trials=[{"name": "t_0", "best": 0.5}],
        best={"name": "t_0", "value": 0.5},
        log_tail=["one", "two"],
        seed=42,
        duration_s=1.5,
    )
    path = written.save(tmp_path / "new" / "folder")
    assert path == tmp_path / "new" / "folder" / "run.json"
    read = load_record(path)
    assert json.loads(json.dumps(asdict(read))) == json.loads(json.dumps(asdict(written)))
    assert read.stage is Stage.train
    assert read.status is JobStatus.COMPLETED


def test_stage_and_status_are_azure_ml_words(tmp_path: Path) -> None:
    content = json.loads(record().save(tmp_path).read_text(encoding="utf-8"))
    assert content["schema_version"] == SCHEMA_VERSION
    assert (content["stage"], content["status"]) == ("train", "Completed")


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_number_that_is_not_finite_is_null(tmp_path: Path, value: float) -> None:
    path = record(metrics={"loss": value, "acc": 1.0}, trials=[{"best": [value]}]).save(tmp_path)
    content = json.loads(path.read_text(encoding="utf-8"), parse_constant=pytest.fail)
    assert content["metrics"] == {"loss": None, "acc": 1.0}
    assert content["trials"] == [{"best": [None]}]


def test_a_failed_write_leaves_the_old_file_alone(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    write_json(path, {"old": 1})
    with pytest.raises(TypeError):
        write_json(path, {"new": object()})
    assert json.loads(path.read_text(encoding="utf-8")) == {"old": 1}
    assert list(tmp_path.iterdir()) == [path]


KILLED = """\
import os, signal, sys
from pathlib import Path
from mnist_exp import records

# Killed where it hurts: the text is on the disk, the file has not got its name yet.
os.fsync = lambda number: os.kill(os.getpid(), signal.SIGKILL)
records.write_json(Path(sys.argv[1]), {"new": "x" * 100_000})
"""


@pytest.mark.external
def test_a_kill_leaves_the_old_file_whole(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    write_json(path, {"old": 1})
    done = subprocess.run([sys.executable, "-c", KILLED, path], check=False)
    assert done.returncode == -9
    assert json.loads(path.read_text(encoding="utf-8")) == {"old": 1}
    assert len(list(tmp_path.iterdir())) == 2


def test_written_files_have_the_given_mode(tmp_path: Path) -> None:
    write_json(tmp_path / "plain", 1)
    write_json(tmp_path / "secret", 1, mode=0o600)
    assert (tmp_path / "plain").stat().st_mode & 0o777 == 0o644
    assert (tmp_path / "secret").stat().st_mode & 0o777 == 0o600


def test_a_newer_schema_is_refused(tmp_path: Path) -> None:
    path = record(schema_version=SCHEMA_VERSION + 1).save(tmp_path)
    with pytest.raises(NotFoundError, match=r"schema_version must be at most \d+, got \d+; use"):
        load_record(path)


def test_an_unknown_field_is_ignored(tmp_path: Path) -> None:
    content = asdict(record())
    write_json(tmp_path / "run.json", {**content, "from_the_future": 1})
    assert load_record(tmp_path / "run.json").name == "train_1"


_START = "{'schema_version': 1, 'stage': 'train', 'status': 'Completed', 'name':"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "null",
        "[]",
        "{}",
        '{"schema_version": 1}',
        '{"schema_version": "one"}',
        '{"schema_version": 1, "stage": "dance", "status": "Completed", "name": "", "started": ""}',
        '{"schema_version": 1, "stage": "train", "status": "Fine", "name": "", "started": ""}',
        f"{_START} 'x', 'started': ''}}".replace("'", '"').replace('"x"', '["x"]'),
        f"{_START} 'x', 'started': '', 'trials': 3}}".replace("'", '"'),
        f"{_START} 'x', 'started': '', 'model': []}}".replace("'", '"'),
        f"{_START} 'x', 'started': '', 'metrics': null}}".replace("'", '"'),
        "[" * 100_000,
        "\udcff",
    ],
    ids=lambda text: text[:90],
)
def test_a_damaged_record_is_not_found(tmp_path: Path, text: str) -> None:
    path = tmp_path / "run.json"
    path.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(NotFoundError, match=r"run\.json: not a readable run record"):
        load_record(path)


def test_a_missing_record_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="not a readable run record"):
        load_record(tmp_path / "run.json")


@pytest.fixture
def outputs(tmp_path: Path) -> RecordedOutputs:
    return RecordedOutputs(tmp_path / "out puts ü")


def names(outputs: RecordedOutputs, *stages: Stage) -> list[str]:
    return [found.name for found, _ in outputs.index.newest_first(*stages)]


def test_an_empty_index_yields_nothing(outputs: RecordedOutputs) -> None:
    assert names(outputs, Stage.train) == []
    assert not outputs.path.exists()


def test_the_index_yields_the_newest_records_of_the_given_stages(outputs: RecordedOutputs) -> None:
    for name, stage in (("a", Stage.train), ("b", Stage.sweep), ("c", Stage.train)):
        outputs.add(stage, name)
    assert names(outputs, Stage.train) == ["c", "a"]
    assert names(outputs, Stage.train, Stage.sweep) == ["c", "b", "a"]
    assert names(outputs, Stage.deploy) == []
    (_, folder), *_ = outputs.index.newest_first(Stage.train)
    assert folder == (outputs.path / "runs" / "003").resolve()


@pytest.mark.parametrize(
    "damage",
    [
        b'{"name": "x", "stage": "tra',
        b"\n\n",
        b"null\n",
        b"3\n",
        b'["train"]\n',
        b'{"name": "x", "stage": "train", "folder": 5}\n',
        b'{"name": "x", "stage": "train"}\n',
        b'{"name": "x", "stage": ["train"], "folder": "x"}\n',
        b"\xff\xfe\n",
        b"[" * 100_000 + b"\n",
    ],
    ids=lambda damage: str(damage[:60]),
)
def test_damaged_lines_are_skipped(outputs: RecordedOutputs, damage: bytes) -> None:
    outputs.add(Stage.train, "before")
    with (outputs.path / "index.jsonl").open("ab") as file:
        file.write(damage)
    outputs.add(Stage.train, "after")
    assert names(outputs, Stage.train) == ["after", "before"]


def test_deleted_records_are_skipped(outputs: RecordedOutputs) -> None:
    outputs.add(Stage.train, "a")
    outputs.add(Stage.train, "b")
    (outputs.path / "runs" / "002" / "run.json").unlink()
    assert names(outputs, Stage.train) == ["a"]


def test_the_status_is_read_from_the_record(outputs: RecordedOutputs) -> None:
    outputs.add(Stage.train, "a")
    record("a", status=JobStatus.FAILED).save(outputs.path / "runs" / "001")
    ((found, _),) = outputs.index.newest_first(Stage.train)
    assert found.status is JobStatus.FAILED


def test_the_index_follows_a_moved_project(outputs: RecordedOutputs, tmp_path: Path) -> None:
    outputs.add(Stage.train, "inside")
    record("beside").save(tmp_path / "beside")
    outputs.index.add(record("beside"), tmp_path / "beside")
    new = tmp_path.with_name(f"{tmp_path.name} moved")
    tmp_path.rename(new)
    found = RecordIndex(new / outputs.path.name).newest_first(Stage.train)
    assert [(one.name, folder) for one, folder in found] == [
        ("beside", new / "beside"),
        ("inside", new / outputs.path.name / "runs" / "001"),
    ]


def test_a_run_folder_outside_of_the_project_stays_absolute(
    outputs: RecordedOutputs, tmp_path_factory: pytest.TempPathFactory
) -> None:
    outside = tmp_path_factory.mktemp("outside")
    record("a").save(outside)
    outputs.index.add(record("a"), outside)
    ((_, folder),) = outputs.index.newest_first(Stage.train)
    assert folder == outside
    assert str(outside) in (outputs.path / "index.jsonl").read_text()


def test_the_paths_of_a_record_follow_a_moved_project(
    outputs: RecordedOutputs, tmp_path: Path
) -> None:
    jobs, run = outputs.path / "jobs" / "a", outputs.path / "runs" / "001"
    paths = {"folder": str(jobs), "curves": str(run / "figures" / "curves.png"), "own": "/own/data"}
    trials = [{"name": "a_0", "log": f"{jobs}_0/user_logs/std_log.txt", "best": 0.5}]
    outputs.add(Stage.train, "a", paths=paths, trials=trials)
    new = tmp_path.with_name(f"{tmp_path.name} moved")
    tmp_path.rename(new)
    moved = new / outputs.path.name
    ((found, _),) = RecordIndex(moved).newest_first(Stage.train)
    assert found.paths == {
        "folder": str(moved / "jobs" / "a"),
        "curves": str(moved / "runs" / "001" / "figures" / "curves.png"),
        "own": "/own/data",
    }
    log = str(moved / "jobs" / "a_0" / "user_logs" / "std_log.txt")
    assert found.trials == [{"name": "a_0", "log": log, "best": 0.5}]


def test_a_record_knows_its_former_place_by_the_folder_of_its_job(
    outputs: RecordedOutputs, tmp_path: Path
) -> None:
    outputs.add(Stage.train, "a", paths={"folder": str(outputs.path / "jobs" / "a")})
    new = tmp_path.with_name(f"{tmp_path.name} moved")
    tmp_path.rename(new)
    ((found, _),) = RecordIndex(new / outputs.path.name).newest_first(Stage.train)
    assert found.paths["folder"] == str(new / outputs.path.name / "jobs" / "a")
