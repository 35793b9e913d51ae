"""Measure the speed of trainer, sweeps and endpoints: `python -m benchmarks NAME --data FOLDER`.

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
from benchmarks.serving import serving
from benchmarks.sweep import SWEEP_RIVALS, sweep, usual_rivals
from benchmarks.training import Race, accuracy, training
from benchmarks.variants import variants
from mnist_exp.datasets.sample import write_sample

_NAMES = {
    "training": "images/s of the trainer and its rivals",
    "process": "wall time of a whole run, compared with an eager script",
    "accuracy": "test accuracy of the trainer and of an eager loop, for several seeds",
    "serving": "requests/s and latency of an endpoint, compared with Azure ML's inference server",
    "sweep": "wall time of a sweep with eight trials, and of its rivals",
    "variants": "wall time of a multirun with six variants, compared with a sweep",
    "overhead": "time of a trial outside its script, and delay until the sweep gets a metric",
}


def main(words: Sequence[str] | None = None) -> int:
    arguments = _arguments(words)
    # SIGTERM then raises KeyboardInterrupt. Therefore this process ends its servers and child
    # processes before it exits.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with tempfile.TemporaryDirectory() as folder:
        data = arguments.data
        if data is None or not data.is_dir():
            why = "--data was not given" if data is None else f"--data {data} is not a folder"
            print(f"{why}: the benchmarks use 4,000 sample digits instead of MNIST")
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
    add("names", nargs="*", metavar="NAME", help=f"benchmarks to run: {', '.join(_NAMES)}")
    add("--data", type=Path, help="folder with MNIST's four files")
    add("--batch-sizes", type=int, nargs="+", default=[64, 512], help="training: batch sizes")
    add("--rounds", type=int, default=5, help="training, serving: turns of each contestant")
    add("--epochs", type=int, default=20, help="process: epochs of a run")
    add("--processes", type=int, default=2, help="process: runs of each script")
    add("--seconds", type=float, default=5.0, help="serving: seconds of each measurement")
    add("--alone", action="store_true", help="serving: do not measure the inference server")
    add("--seeds", type=int, default=5, help="accuracy: number of seeds")
    add("--sweep-epochs", type=int, default=3, help="sweep: epochs of each trial")
    add("--sweep-rounds", type=int, default=3, help="sweep: number of sweeps of each contestant")
    add(
        "--sweep-rivals",
        nargs="+",
        choices=SWEEP_RIVALS,
        default=usual_rivals(),
        metavar="NAME",
        help=f"sweep: contestants to measure: {'; '.join(SWEEP_RIVALS)}",
    )
    add("--variant-epochs", type=int, default=5, help="variants: epochs of each variant")
    add("--variant-rounds", type=int, default=3, help="variants: runs of each command")
    add("--before", metavar="REVISION", help="variants: a git revision to compare with")
    add(
        "--trials",
        type=int,
        nargs="+",
        default=[10, 100, 1000],
        help="overhead: number of trials of each sweep",
    )
    add(
        "--contestants",
        nargs="+",
        choices=CONTESTANTS,
        default=list(CONTESTANTS),
        metavar="NAME",
        help=f"training: contestants to measure: {', '.join(CONTESTANTS)};"
        " contestants whose package is not installed are omitted",
    )
    arguments = parser.parse_args(words)
    if unknown := set(arguments.names) - set(_NAMES):
        parser.error(f"NAME must be one of {', '.join(_NAMES)}, got {', '.join(sorted(unknown))}")
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
    if "variants" in wanted:
        variants(data, arguments.variant_epochs, arguments.variant_rounds, arguments.before)
    if "overhead" in wanted:
        overhead(arguments.trials)


if __name__ == "__main__":
    sys.exit(main())
