"""The process of a contestant, which trains one epoch for each line on its stdin.

The process prints lines of JSON. The first line, `{"versions": ...}`, shows that the process is
ready. After each epoch, the process prints `{"seconds": ..., "accuracy": ...}`.
"""

import argparse
import importlib
import json
import os
import sys
import time
from importlib.metadata import version
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from benchmarks.contestants import CONTESTANTS, Work
from digits.data import load


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("name", choices=CONTESTANTS)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--batch-size", type=int, required=True)
    parser.add_argument("--seed", type=int, required=True)
    arguments = parser.parse_args()
    # Libraries may print to stdout. Redirect their output to stderr, and keep the original stdout
    # for the answers.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    contestant = CONTESTANTS[arguments.name]
    digits, test = load(arguments.data)
    work = Work(
        digits.images,
        digits.labels,
        test.images,
        test.labels,
        arguments.batch_size,
        arguments.seed,
    )
    module = importlib.import_module(f"benchmarks.contestants.{contestant.module}")
    epoch = module.build(work, **dict(contestant.options))
    print(json.dumps({"versions": {contestant.needs: version(contestant.needs)}}), file=answers)
    for _ in sys.stdin:
        start = time.perf_counter()
        accuracy = epoch()
        seconds = time.perf_counter() - start
        print(json.dumps({"seconds": seconds, "accuracy": accuracy}), file=answers)


if __name__ == "__main__":
    main()
