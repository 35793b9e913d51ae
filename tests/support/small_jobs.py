"""Jobs and sweeps whose scripts start fast, because the scripts import no library."""

import json
import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mnist_exp.config import ComputeConfig, ComputeType, EnvConfig, EnvType
from mnist_exp.specs import CommandJob, SweepJob
from mnist_exp.sweeps import parse_sweep

#: A module that writes the same rows as MLflow. Importing MLflow would take two seconds in each
#: process.
LOGGER = """\
import os
import sqlite3
import time
from urllib.parse import unquote


def log_metric(name, value, step=0):
    store = unquote(os.environ["MLFLOW_TRACKING_URI"].removeprefix("sqlite:///"))
    moment = time.time_ns() // 1_000_000
    # MLflow keeps only one of two equal values with the same millisecond.
    while time.time_ns() // 1_000_000 == moment:
        pass
    row = (name, value, moment, os.environ["MLFLOW_RUN_ID"], step)
    with sqlite3.connect(store, timeout=60) as database:
        for table in ("metrics", "latest_metrics"):
            database.execute(
                f"INSERT OR REPLACE INTO {table} "
                "(key, value, timestamp, run_uuid, step, is_nan) VALUES (?, ?, ?, ?, ?, 0)",
                row,
            )
    database.close()
"""

#: A script that forks a process into another session. This process runs longer than the script,
#: and starts no other program.
FORKED_APART = """\
import os
import time

read, write = os.pipe()
if not os.fork():
    os.setsid()
    os.write(write, b"there")
    while True:
        time.sleep(1)
os.read(read, 5)
"""

#: Python without the site packages, which starts in a few milliseconds.
PYTHON = f"{shlex.quote(sys.executable)} -E -S"

LOCAL = ComputeConfig(ComputeType.local, "local")
SOFTWARE = EnvConfig(EnvType.local)


def command_job(command: str, name: str = "job", **changes: Any) -> CommandJob:
    """Return a job that runs a shell command, or `script.py ...` of its code folder."""
    if command.startswith("script.py"):
        command = f"{PYTHON} {command}"
    given = {
        "name": name,
        "experiment_name": "experiment",
        "display_name": name,
        "command": command,
        "quoted": True,
        "compute": LOCAL,
        "environment": SOFTWARE,
    }
    return CommandJob(**(given | changes))


def sweep_job(
    command: str,
    search_space: Mapping[str, Any],
    name: str = "sweep",
    sweep: Mapping[str, Any] | None = None,
    limits: Mapping[str, int] | None = None,
    **changes: Any,
) -> SweepJob:
    """Return a grid sweep that maximizes `score`: two trials at a time, no early termination."""
    raw = {
        "sampling_algorithm": {"type": "grid"},
        "search_space": search_space,
        "objective": {"primary_metric": "score", "goal": "maximize"},
        "limits": {"max_total_trials": 20, "max_concurrent_trials": 2, **(limits or {})},
        **(sweep or {}),
    }
    plan, faults = parse_sweep(raw)
    assert plan is not None, faults
    return SweepJob(
        name=name,
        trial=command_job(command, name, **changes),
        search_space=plan.search_space,
        sampling=plan.sampling,
        objective=plan.objective,
        limits=plan.limits,
        early_termination=plan.early_termination,
    )


def choice(*values: float | str) -> dict[str, Any]:
    """Return a search-space entry."""
    return {"type": "choice", "values": list(values)}


def description(folder: Path) -> dict[str, Any]:
    """Return the content of `job.json`."""
    content: dict[str, Any] = json.loads((folder / "job.json").read_text(encoding="utf-8"))
    return content


def files_below(folder: Path) -> Sequence[str]:
    """Return the path of every file below a folder. Links to folders are not followed."""
    return sorted(
        Path(path, name).relative_to(folder).as_posix()
        for path, _, names in os.walk(folder)
        for name in names
    )
