"""Measure trainer, sweep and endpoint: `python -m benchmarks training --data FOLDER`.

Without a name, all benchmarks run.
"""

import argparse
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.contestants import CONTESTANTS
from benchmarks.overhead import overhead
from benchmarks.process import process
from benchmarks.sample import write_sample
from benchmarks.serving import serving
from benchmarks.sweep import SWEEP_RIVALS, sweep, usual_rivals
from benchmarks.training import Race, accuracy, training

_NAMES = {
    "training": "images/s of the trainer and its rivals, in turns",
    "process": "wall time of a whole run, imports to export, against an eager script",
    "accuracy": "test accuracy over five seeds",
    "serving": "requests/s and latency of an endpoint, against Azure ML's inference server",
    "sweep": "wall time of eight trials of a sweep and its rivals",
    "overhead": "time of a trial outside its script, and delay of a metric",
}


def main(words: Sequence[str] | None = None) -> int:
    arguments = _arguments(words)
    # SIGTERM then unwinds this process, so that it ends the servers and processes that it started.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with tempfile.TemporaryDirectory() as folder:
        data = arguments.data
        if data is None or not data.is_dir():
            why = "no --data was given" if data is None else f"--data {data} is no folder"
            print(f"{why}: 4,000 sample digits instead of MNIST")
            data = Path(folder)
            write_sample(data)
        _run(arguments, data.resolve())
    return 0


def _arguments(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__,
        epilog="; ".join(f"{name}: {what}" for name, what in _NAMES.items()),
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("names", nargs="*", metavar="NAME", help=f"of {', '.join(_NAMES)}")
    add("--data", type=Path, help="folder with MNIST's four files")
    add("--batch-sizes", type=int, nargs="+", default=[64, 512], help="for training")
    add("--rounds", type=int, default=5, help="turns of each contestant, for training and serving")
    add("--epochs", type=int, default=20, help="of a whole run, for process")
    add("--processes", type=int, default=2, help="whole runs of each, for process")
    add("--seconds", type=float, default=5.0, help="of each measurement, for serving")
    add("--alone", action="store_true", help="no inference server to compare with, for serving")
    add("--seeds", type=int, default=5, help="number of seeds, for accuracy")
    add("--sweep-epochs", type=int, default=3, help="of each trial, for sweep")
    add("--sweep-rounds", type=int, default=3, help="sweeps of each, for sweep")
    add(
        "--sweep-rivals",
        nargs="+",
        choices=SWEEP_RIVALS,
        default=usual_rivals(),
        metavar="NAME",
        help=f"for sweep, of {'; '.join(SWEEP_RIVALS)}",
    )
    add("--trials", type=int, nargs="+", default=[10, 100, 1000], help="for overhead")
    add(
        "--contestants",
        nargs="+",
        choices=CONTESTANTS,
        default=list(CONTESTANTS),
        metavar="NAME",
        help=f"for training, of {', '.join(CONTESTANTS)}; those not installed are left out",
    )
    arguments = parser.parse_args(words)
    if unknown := set(arguments.names) - set(_NAMES):
        parser.error(f"no such benchmark: {', '.join(sorted(unknown))}; of {', '.join(_NAMES)}")
    return arguments


def _run(arguments: argparse.Namespace, data: Path) -> None:
    wanted = arguments.names or list(_NAMES)
    if "training" in wanted:
        race = Race(data, arguments.rounds, tuple(arguments.contestants))
        training(race, arguments.batch_sizes)
    if "process" in wanted:
        process(data, arguments.epochs, arguments.processes)
    if "accuracy" in wanted:
        accuracy(data, 3, range(arguments.seeds))
    if "serving" in wanted:
        serving(data, arguments.rounds, arguments.seconds, not arguments.alone)
    if "sweep" in wanted:
        sweep(data, arguments.sweep_epochs, arguments.sweep_rounds, arguments.sweep_rivals)
    if "overhead" in wanted:
        overhead(arguments.trials)


if __name__ == "__main__":
    sys.exit(main())
