"""The command line: `python -m benchmarks training --data FOLDER`; without a name, all there are."""

import argparse
import sys
import tempfile
from pathlib import Path

from benchmarks.contestants import CONTESTANTS
from benchmarks.sample import write_sample
from benchmarks.training import training
from data import load

_NAMES = ("training",)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(_NAMES)}")
    parser.add_argument("--data", type=Path, help="folder with MNIST's four files")
    parser.add_argument("--batch-sizes", type=int, nargs="+", default=[64, 512])
    parser.add_argument("--rounds", type=int, default=5, help="measured epochs of each contestant")
    parser.add_argument(
        "--contestants", nargs="+", choices=CONTESTANTS, default=list(CONTESTANTS), metavar="NAME"
    )
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - set(_NAMES):
        parser.error(f"no such benchmark: {', '.join(sorted(unknown))}; of {', '.join(_NAMES)}")
    with tempfile.TemporaryDirectory() as folder:
        data = arguments.data
        if data is None or not data.is_dir():
            data = Path(folder)
            write_sample(data)
            print(f"--data {arguments.data} is no folder: 4,000 sample digits instead of MNIST")
        _run(arguments, data.resolve())
    return 0


def _run(arguments: argparse.Namespace, data: Path) -> None:
    wanted = arguments.names or _NAMES
    digits, test = load(data)
    if "training" in wanted:
        training(
            data,
            len(digits),
            len(test),
            arguments.batch_sizes,
            arguments.rounds,
            arguments.contestants,
        )


if __name__ == "__main__":
    sys.exit(main())
