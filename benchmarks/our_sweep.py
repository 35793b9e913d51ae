"""Functions that start our sweep in a separate process, and read its results."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from mnist_exp.sweeps.journal import Entry, read_entries
from mnist_exp.workspaces.local.tracking.store import Tracking

ROOT = Path(__file__).parents[1]
#: Number of trials that run at the same time.
CONCURRENT = 2


def entries_of(jobs: Path) -> list[Entry]:
    return list(read_entries((jobs / "sweep" / "journal.jsonl").read_text(encoding="utf-8")))


def sweep_spec(  # noqa: PLR0913, PLR0917
    command: str, code: Path, metric: str, sampling: str, space: dict[str, Any], trials: int
) -> dict[str, Any]:
    return {
        "command": command,
        "code": str(code),
        "sweep": {
            "sampling_algorithm": {"type": sampling},
            "search_space": space,
            "objective": {"primary_metric": metric, "goal": "maximize"},
            "limits": {"max_total_trials": trials, "max_concurrent_trials": CONCURRENT},
        },
    }


def run_sweep(spec: dict[str, Any], folder: Path) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.sweep_command", json.dumps(spec)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        command, cwd=folder, env=environment, check=True, capture_output=True, text=True
    )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def prepare_store(folder: Path) -> None:
    """Create an MLflow store before the measurement, because this takes a second."""
    artifacts = folder / "artifacts"
    artifacts.mkdir(parents=True)
    Tracking(folder).start("benchmark", "first", artifacts, {})
