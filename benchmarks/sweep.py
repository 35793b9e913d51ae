"""Sweeps: eight fixed configurations against rivals, and what a trial costs beside its script."""

import itertools
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from benchmarks.configured import SPACE
from benchmarks.report import save, show, spread
from mnist_exp.sweeps.journal import Ended, Entry, Logged, Started, read_entries
from mnist_exp.workspaces.local.store import STORE_NAME
from mnist_exp.workspaces.local.tracking import Tracking

__all__ = ["SWEEP_RIVALS", "overhead", "sweep", "usual_rivals"]

_ROOT = Path(__file__).parents[1]
_CONCURRENT = 2
_EAGER_CONCURRENT = 4

#: Logs one value, and says when it did.
_STUB = """\
import sys, time
import mlflow

mlflow.log_metric("score", float(sys.argv[1]))
print(time.time())
"""

#: The trainer imports TensorFlow without Keras and MLflow beside the training; this does not.
_PLAIN = """\
import mlflow
import tensorflow as tf

import train

raise SystemExit(train.main())
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
    return _trainer_sweep(_ROOT / "trainer", "train.py", data, epochs, folder)


def _ours_warm(data: Path, epochs: int, folder: Path) -> float:
    """From the first trial on: without the imports that trials are forked from."""
    _ours(data, epochs, folder)
    entries = _entries(folder / "outputs" / "jobs")
    first = next(entry.at for entry in entries if isinstance(entry, Started))
    return entries[-1].at - first


def _ours_plain(data: Path, epochs: int, folder: Path) -> float:
    script = _plain_script(folder)
    return _trainer_sweep(script.parent, script.name, data, epochs, folder)


def _trainer_sweep(code: Path, script: str, data: Path, epochs: int, folder: Path) -> float:
    words = [f"--{key.replace('_', '-')} {{{{search_space.{key}}}}}" for key in SPACE]
    command = (
        f"python {script} --data-folder {{{{inputs.data_folder}}}} --epochs {epochs} "
        f"--checkpoints {{{{outputs.checkpoints}}}} {' '.join(words)}"
    )
    space = {key: {"type": "choice", "values": values} for key, values in SPACE.items()}
    _prepare_store(folder / "outputs")
    spec = _spec(command, code, "validation_acc", "grid", space, 8)
    return float(_run_sweep({**spec, "data": str(data)}, folder)["seconds"])


def _process_per_trial(data: Path, epochs: int, folder: Path) -> float:
    return _processes(_ROOT / "trainer" / "train.py", data, epochs, folder)


def _process_per_trial_plain(data: Path, epochs: int, folder: Path) -> float:
    return _processes(_plain_script(folder), data, epochs, folder)


def _plain_script(folder: Path) -> Path:
    """The trainer behind the imports that people's own scripts begin with."""
    shutil.copytree(_ROOT / "trainer", folder / "code")
    script = folder / "code" / "plain.py"
    script.write_text(_PLAIN, encoding="utf-8")
    return script


def _processes(script: Path, data: Path, epochs: int, folder: Path) -> float:
    _prepare_store(folder)
    commands = []
    for values in itertools.product(*SPACE.values()):
        words = [str(script), "--data-folder", str(data)]
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
    return _in_one_process("benchmarks.optuna_threads", str(data), str(epochs))[0]


def _optuna_tracked(data: Path, epochs: int, folder: Path) -> float:
    _prepare_store(folder)
    words = ("benchmarks.optuna_threads", str(data), str(epochs), str(folder))
    return _in_one_process(*words)[0]


def _ray(data: Path, epochs: int, folder: Path) -> float:
    return _in_one_process("benchmarks.ray_tune", str(data), str(epochs), str(folder), "1")[0]


def _ray_again(data: Path, epochs: int, folder: Path) -> float:
    _, output = _in_one_process("benchmarks.ray_tune", str(data), str(epochs), str(folder), "2")
    return float(output.splitlines()[-1])


def _in_one_process(module: str, *words: str) -> tuple[float, str]:
    """Runs a rival that has all trials within; returns its wall time in seconds and its output."""
    start = time.perf_counter()
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join((str(_ROOT), str(_ROOT / "trainer"))),
        "TF_NUM_INTRAOP_THREADS": "1",
        "TF_CPP_MIN_LOG_LEVEL": "3",
        # Ray tells its makers of each use otherwise.
        "RAY_USAGE_STATS_ENABLED": "0",
    }
    done = subprocess.run(
        [sys.executable, "-m", module, *words],
        cwd=_ROOT,
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    )
    return time.perf_counter() - start, done.stdout


#: Each returns the seconds of eight trials.
SWEEP_RIVALS: dict[str, Callable[[Path, int, Path], float]] = {
    "ours": _ours,
    "ours warm": _ours_warm,
    "ours, plain imports": _ours_plain,
    "process per trial": _process_per_trial,
    "process per trial, plain imports": _process_per_trial_plain,
    "eager script": _eager,
    "optuna threads": _optuna,
    "optuna threads, tracked": _optuna_tracked,
    "ray tune": _ray,
    "ray tune warm": _ray_again,
}


_NEEDS_RAY = ("ray tune", "ray tune warm")
#: They take minutes for each trial.
_SLOW = ("eager script",)


def usual_rivals() -> list[str]:
    """Those that run unless others are named: all that are installed, but for the slowest."""
    absent = () if find_spec("ray") else _NEEDS_RAY
    return [name for name in SWEEP_RIVALS if name not in (*_SLOW, *absent)]


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
