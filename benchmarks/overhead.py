"""A benchmark of a trial's time outside its script, and of the delay until a metric arrives."""

import statistics
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.our_sweep import CONCURRENT, entries_of, prepare_store, run_sweep, sweep_spec
from benchmarks.report import save, show
from mnist_exp.sweeps.journal import Ended, Logged

#: A script that logs one value, and prints the time before its imports and after the logging.
_STUB = """\
import time
begun = time.time()
import sys
import mlflow

mlflow.log_metric("score", float(sys.argv[1]))
print(begun, time.time())
"""


def overhead(counts: Sequence[int]) -> None:
    """Measure sweeps of a very short script, and print and save the results.

    Args:
        counts: The number of trials of each sweep. The list has one entry per sweep.
    """
    found = [_stub_sweep(count) for count in counts]
    show(
        f"Sweep of a script that logs one value with MLflow, {CONCURRENT} trials at a time",
        [
            "trials",
            "ms per trial",
            "ms per trial after the first",
            "of these, ms outside the script",
            "peak memory, MiB",
            "ms until the sweep gets a value (median, maximum)",
        ],
        [
            [
                str(one["trials"]),
                f"{one['ms_per_trial']:.0f}",
                f"{one['ms_per_further_trial']:.0f}",
                f"{one['ms_beside_script']:.0f}",
                f"{one['peak_bytes'] / 2**20:.0f}",
                f"{one['heard_ms_median']:.0f}, {one['heard_ms_worst']:.0f}",
            ]
            for one in found
        ],
    )
    print(f"written: {save('overhead', {'sweeps': found})}")


def _stub_sweep(count: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        code = folder / "code"
        code.mkdir()
        (code / "stub.py").write_text(_STUB, encoding="utf-8")
        prepare_store(folder / "outputs")
        space = {"x": {"type": "uniform", "min_value": 0, "max_value": 1}}
        command = "python stub.py {{search_space.x}}"
        spec = sweep_spec(command, code, "score", "random", space, count)
        found = run_sweep({**spec, "data": None}, folder)
        entries = entries_of(folder / "outputs" / "jobs")
        spans = [_span(folder / "outputs" / "jobs" / f"sweep_{trial}") for trial in range(count)]
    delays = [
        entry.at - spans[entry.point.trial][1] for entry in entries if isinstance(entry, Logged)
    ]
    ends = [entry.at for entry in entries if isinstance(entry, Ended)]
    further = (ends[-1] - ends[0]) / max(1, count - 1)
    own = statistics.median(done - begun for begun, done in spans)
    return {
        **found,
        "ms_per_trial": found["seconds"] / count * 1000,
        # This value excludes the start of the process from which trials are forked. That process
        # starts only once.
        "ms_per_further_trial": further * 1000,
        "ms_script": own * 1000,
        "ms_beside_script": (further - own / CONCURRENT) * 1000,
        "heard_ms_median": statistics.median(delays) * 1000,
        "heard_ms_worst": max(delays) * 1000,
    }


def _span(job: Path) -> tuple[float, float]:
    """Return two times in seconds since 1970: the start of a job's script, and after logging."""
    begun, done = (job / "user_logs" / "std_log.txt").read_text(encoding="utf-8").split()
    return float(begun), float(done)
