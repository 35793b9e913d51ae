"""A benchmark of a sweep with eight fixed configurations, compared with rivals."""

import itertools
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

from benchmarks.contestants import SPACE
from benchmarks.our_sweep import CONCURRENT, ROOT, entries_of, prepare_store, run_sweep, sweep_spec
from benchmarks.report import save, show, spread
from mnist_exp.sweeps.journal import Started
from mnist_exp.workspaces.local.tracking.database import STORE_NAME

_EAGER_CONCURRENT = 4

#: A script that imports MLflow and TensorFlow in the usual way, and then runs the trainer. The
#: trainer alone would import TensorFlow without Keras, and would import MLflow while it trains.
_PLAIN = """\
import mlflow
import tensorflow as tf

import train

raise SystemExit(train.main())
"""


def sweep(data: Path, epochs: int, rounds: int, names: Sequence[str]) -> None:
    """Measure the wall time of eight trials, and print and save the results.

    In each round, every contestant runs once.

    Args:
        data: A folder with MNIST's files.
        epochs: Number of epochs of a trial.
        rounds: Number of sweeps of each contestant.
        names: The contestants, which are keys of `SWEEP_RIVALS`.
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
        ["", "s (spread)", "relative to ours"],
        [
            [name, str(found), f"{found.median / ours:.2f}" if ours else "-"]
            for name, found in spreads.items()
        ],
    )
    print(f"written: {save('sweep', {'epochs': epochs, 'seconds': seconds})}")


def _ours(data: Path, epochs: int, folder: Path) -> float:
    return _trainer_sweep(ROOT / "trainer", "train.py", data, epochs, folder)


def _ours_warm(data: Path, epochs: int, folder: Path) -> float:
    """Return the seconds from the start of the first trial, without the imports before it."""
    _ours(data, epochs, folder)
    entries = entries_of(folder / "outputs" / "jobs")
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
    prepare_store(folder / "outputs")
    spec = sweep_spec(command, code, "validation_acc", "grid", space, 8)
    return float(run_sweep({**spec, "data": str(data)}, folder)["seconds"])


def _process_per_trial(data: Path, epochs: int, folder: Path) -> float:
    return _processes(ROOT / "trainer" / "train.py", data, epochs, folder)


def _process_per_trial_plain(data: Path, epochs: int, folder: Path) -> float:
    return _processes(_plain_script(folder), data, epochs, folder)


def _plain_script(folder: Path) -> Path:
    """Write the script `_PLAIN` to a copy of the trainer, and return the path of the script."""
    shutil.copytree(ROOT / "trainer", folder / "code")
    script = folder / "code" / "plain.py"
    script.write_text(_PLAIN, encoding="utf-8")
    return script


def _processes(script: Path, data: Path, epochs: int, folder: Path) -> float:
    prepare_store(folder)
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
    return _at_once(commands, folder, CONCURRENT, environment)


def _eager(data: Path, epochs: int, folder: Path) -> float:
    # The script has fixed layers. Therefore all eight trials have the same configuration.
    command = ["-m", "benchmarks.eager_script", str(data), str(epochs), "64"]
    return _at_once([command] * 8, folder, _EAGER_CONCURRENT, {})


def _optuna(data: Path, epochs: int, _folder: Path) -> float:
    return _in_one_process("benchmarks.optuna_threads", str(data), str(epochs))[0]


def _optuna_tracked(data: Path, epochs: int, folder: Path) -> float:
    prepare_store(folder)
    words = ("benchmarks.optuna_threads", str(data), str(epochs), str(folder))
    return _in_one_process(*words)[0]


def _ray(data: Path, epochs: int, folder: Path) -> float:
    return _in_one_process("benchmarks.ray_tune", str(data), str(epochs), str(folder), "1")[0]


def _ray_again(data: Path, epochs: int, folder: Path) -> float:
    _, output = _in_one_process("benchmarks.ray_tune", str(data), str(epochs), str(folder), "2")
    return float(output.splitlines()[-1])


def _in_one_process(module: str, *words: str) -> tuple[float, str]:
    """Run a module that runs all trials. Return the wall time in seconds and the output."""
    start = time.perf_counter()
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "TF_NUM_INTRAOP_THREADS": "1",
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }
    done = subprocess.run(
        [sys.executable, "-m", module, *words],
        cwd=ROOT,
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    )
    return time.perf_counter() - start, done.stdout


def _at_once(
    commands: Sequence[Sequence[str]], folder: Path, concurrent: int, variables: dict[str, str]
) -> float:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3", **variables}

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


#: Name of a contestant -> function that runs eight trials and returns their wall time in seconds.
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
#: Contestants that need minutes for each trial.
_SLOW = ("eager script",)


def usual_rivals() -> list[str]:
    """Return the names of all installed contestants except the slowest, for the default run."""
    absent = () if find_spec("ray") else _NEEDS_RAY
    return [name for name in SWEEP_RIVALS if name not in (*_SLOW, *absent)]
