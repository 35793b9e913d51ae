"""The benchmarks start, measure a little and leave what they promise; figures are not judged."""

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.support.paths import REPOSITORY


def run(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "benchmarks", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": f"{REPOSITORY}{os.pathsep}{REPOSITORY / 'trainer'}"},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def test_training_is_measured_and_written_down(tmp_path: Path) -> None:
    done = run(
        tmp_path, "training", "--contestants", "ours", "--rounds", "1", "--batch-sizes", "64"
    )
    assert done.returncode == 0, done.stderr
    assert "4,000 sample digits instead of MNIST" in done.stdout
    assert "of sgemm" in done.stdout
    (path,) = (tmp_path / "benchmarks" / "results").iterdir()
    found = json.loads(path.read_text(encoding="utf-8"))
    row = found["batch_sizes"]["64"]["ours"]
    assert len(row["seconds"]) == 1
    assert row["images_per_second"] > 0
    assert found["environment"]["cores"] >= 1
    assert {"tensorflow", "numpy"} <= set(found["environment"]["versions"])


def test_a_sweep_and_its_rivals_are_measured(tmp_path: Path) -> None:
    rivals = ("ours", "optuna threads, tracked")
    done = run(
        tmp_path, "sweep", "--sweep-epochs", "1", "--sweep-rounds", "1", "--sweep-rivals", *rivals
    )
    assert done.returncode == 0, done.stderr
    (path,) = (tmp_path / "benchmarks" / "results").iterdir()
    found = json.loads(path.read_text(encoding="utf-8"))
    assert {name: len(values) for name, values in found["seconds"].items()} == dict.fromkeys(
        rivals, 1
    )


def test_an_unknown_rival_is_refused(tmp_path: Path) -> None:
    done = run(tmp_path, "sweep", "--sweep-rivals", "hyperopt")
    assert done.returncode == 2
    assert "optuna threads" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_benchmark_is_refused(tmp_path: Path) -> None:
    done = run(tmp_path, "trainning")
    assert done.returncode == 2
    assert "no such benchmark: trainning; of training, process" in done.stderr
    assert list(tmp_path.iterdir()) == []
