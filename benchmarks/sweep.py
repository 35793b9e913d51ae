"""Sweeps: eight fixed configurations against rivals, and what a trial costs beside its script."""

import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from benchmarks.report import save, show, spread
from mnist_exp.sweeps.journal import Ended, Entry, Logged, read_entries
from mnist_exp.workspaces.local.store import STORE_NAME
from mnist_exp.workspaces.local.tracking import Tracking

__all__ = ["SPACE", "SWEEP_RIVALS", "overhead", "sweep"]

_ROOT = Path(__file__).parents[1]
SPACE = {
    "batch_size": [64, 128],
    "learning_rate": [0.01, 0.1],
    "first_layer_neurons": [128, 256],
}
_CONCURRENT = 2
_EAGER_CONCURRENT = 4

#: Logs one value, and says when it did.
_STUB = """\
import sys, time
import mlflow

mlflow.log_metric("score", float(sys.argv[1]))
print(time.time())
"""


def sweep(data: Path, epochs: int, rounds: int, names: Sequence[str]) -> None:
    """Measures the wall time of eight trials, contestants in turns.

    Args:
        data: A folder with MNIST's files.
        epochs: Of each trial.
        rounds: How often each contestant runs.
        names: Of the contestants.
    """
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for _ in range(rounds):
        for name in names:
            with tempfile.TemporaryDirectory() as folder:
                seconds[name].append(SWEEP_RIVALS[name](data, epochs, Path(folder)))
    spreads = {name: spread(values) for name, values in seconds.items()}
    ours = spreads["ours"].median if "ours" in spreads else None
    show(
        f"Sweep of 8 fixed configurations x {epochs} epochs, {rounds} rounds",
        ["", "s (spread)", "of ours"],
        [
            [name, str(found), f"{found.median / ours:.2f}" if ours else "-"]
            for name, found in spreads.items()
        ],
    )
    print(f"written: {save('sweep', {'epochs': epochs, 'seconds': seconds})}")


def overhead(counts: Sequence[int]) -> None:
    """Measures what a trial of a stub script costs, and how soon a value is heard of.

    Args:
        counts: Numbers of trials.
    """
    found = [_stub_sweep(count) for count in counts]
    show(
        f"A script that logs one value with MLflow, {_CONCURRENT} at once",
        [
            "trials",
            "ms a trial",
            "ms each after the first",
            "MiB of the command",
            "ms to hear of a value (median, worst)",
        ],
        [
            [
                str(one["trials"]),
                f"{one['ms_per_trial']:.0f}",
                f"{one['ms_per_further_trial']:.0f}",
                f"{one['peak_bytes'] / 2**20:.0f}",
                f"{one['heard_ms_median']:.0f}, {one['heard_ms_worst']:.0f}",
            ]
            for one in found
        ],
    )
    print(f"written: {save('overhead', {'sweeps': found})}")


def _ours(data: Path, epochs: int, folder: Path) -> float:
    words = [f"--{key.replace('_', '-')} {{{{search_space.{key}}}}}" for key in SPACE]
    command = (
        f"python train.py --data-folder {{{{inputs.data_folder}}}} --epochs {epochs} "
        f"--checkpoints {{{{outputs.checkpoints}}}} {' '.join(words)}"
    )
    space = {key: {"type": "choice", "values": values} for key, values in SPACE.items()}
    _prepare_store(folder / "outputs")
    spec = _spec(command, _ROOT / "trainer", "validation_acc", "grid", space, 8)
    return float(_run_sweep({**spec, "data": str(data)}, folder)["seconds"])


def _process_per_trial(data: Path, epochs: int, folder: Path) -> float:
    _prepare_store(folder)
    commands = []
    for values in itertools.product(*SPACE.values()):
        words = [str(_ROOT / "trainer" / "train.py"), "--data-folder", str(data)]
        words += ["--epochs", str(epochs), "--checkpoints", "checkpoints"]
        for key, value in zip(SPACE, values, strict=True):
            words += [f"--{key.replace('_', '-')}", str(value)]
        commands.append(words)
    environment = {
        "MLFLOW_TRACKING_URI": f"sqlite:///{folder / STORE_NAME}",
        "TF_NUM_INTRAOP_THREADS": "1",
    }
    return _at_once(commands, folder, _CONCURRENT, environment)


def _eager(data: Path, epochs: int, folder: Path) -> float:
    # Its layers are fixed; so are those of the tutorial's script in spirit: eight times the same.
    command = ["-m", "benchmarks.eager_script", str(data), str(epochs), "64"]
    return _at_once([command] * 8, folder, _EAGER_CONCURRENT, {})


def _optuna(data: Path, epochs: int, _folder: Path) -> float:
    start = time.perf_counter()
    command = [sys.executable, "-m", "benchmarks.optuna_threads", str(data), str(epochs)]
    environment = {**os.environ, "TF_NUM_INTRAOP_THREADS": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}
    subprocess.run(command, cwd=_ROOT, env=environment, check=True, capture_output=True)
    return time.perf_counter() - start


#: Each returns the seconds of eight trials.
SWEEP_RIVALS: dict[str, Callable[[Path, int, Path], float]] = {
    "ours": _ours,
    "process per trial": _process_per_trial,
    "eager script": _eager,
    "optuna threads": _optuna,
}


def _at_once(
    commands: Sequence[Sequence[str]], folder: Path, concurrent: int, variables: dict[str, str]
) -> float:
    environment = {**os.environ, "PYTHONPATH": str(_ROOT), "TF_CPP_MIN_LOG_LEVEL": "3", **variables}

    def run(index: int) -> None:
        work = folder / f"trial_{index}"
        work.mkdir()
        subprocess.run(
            [sys.executable, *commands[index]],
            cwd=work,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=True,
        )

    start = time.perf_counter()
    with ThreadPoolExecutor(concurrent) as pool:
        list(pool.map(run, range(len(commands))))
    return time.perf_counter() - start


def _stub_sweep(count: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        code = folder / "code"
        code.mkdir()
        (code / "stub.py").write_text(_STUB, encoding="utf-8")
        _prepare_store(folder / "outputs")
        space = {"x": {"type": "uniform", "min_value": 0, "max_value": 1}}
        command = "python stub.py {{search_space.x}}"
        spec = _spec(command, code, "score", "random", space, count)
        found = _run_sweep({**spec, "data": None}, folder)
        entries = _entries(folder / "outputs" / "jobs")
        delays = _delays(entries, folder / "outputs" / "jobs")
        ends = [entry.at for entry in entries if isinstance(entry, Ended)]
    return {
        **found,
        "ms_per_trial": found["seconds"] / count * 1000,
        # Without the start of the process that trials are forked from, which there is once.
        "ms_per_further_trial": (ends[-1] - ends[0]) / max(1, count - 1) * 1000,
        "heard_ms_median": statistics.median(delays) * 1000,
        "heard_ms_worst": max(delays) * 1000,
    }


def _entries(jobs: Path) -> list[Entry]:
    return list(read_entries((jobs / "sweep" / "journal.jsonl").read_text(encoding="utf-8")))


def _delays(entries: Sequence[Entry], jobs: Path) -> list[float]:
    """Seconds from when a script was done logging to when the journal has the value."""
    return [
        entry.at - float((jobs / f"sweep_{entry.trial}" / "user_logs" / "std_log.txt").read_text())
        for entry in entries
        if isinstance(entry, Logged)
    ]


def _spec(  # noqa: PLR0913, PLR0917
    command: str, code: Path, metric: str, sampling: str, space: dict[str, Any], trials: int
) -> dict[str, Any]:
    return {
        "command": command,
        "code": str(code),
        "sweep": {
            "sampling_algorithm": {"type": sampling},
            "search_space": space,
            "objective": {"primary_metric": metric, "goal": "maximize"},
            "limits": {"max_total_trials": trials, "max_concurrent_trials": _CONCURRENT},
        },
    }


def _run_sweep(spec: dict[str, Any], folder: Path) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.sweep_command", json.dumps(spec)]
    environment = {**os.environ, "PYTHONPATH": str(_ROOT)}
    done = subprocess.run(
        command, cwd=folder, env=environment, check=True, capture_output=True, text=True
    )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def _prepare_store(folder: Path) -> None:
    """Make an MLflow store beforehand: that takes a second, once in the life of a folder."""
    artifacts = folder / "artifacts"
    artifacts.mkdir(parents=True)
    Tracking(folder).start("benchmark", "first", artifacts, {})
