"""The time of a sweep's trial outside its script, and the delay until a metric is seen."""

import statistics
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.our_sweep import CONCURRENT, entries_of, prepare_store, run_sweep, sweep_spec
from benchmarks.report import save, show
from mnist_exp.sweeps.journal import Ended, Logged

#: A script that logs one value, and prints the times before its imports and after the logging.
_STUB = """\
import time
begun = time.time()
import sys
import mlflow

mlflow.log_metric("score", float(sys.argv[1]))
print(begun, time.time())
"""


def overhead(counts: Sequence[int]) -> None:
    """Measure sweeps of a stub script, and print and save the results.

    Args:
        counts: The number of trials of each sweep.
    """
    found = [_stub_sweep(count) for count in counts]
    show(
        f"A script that logs one value with MLflow, {CONCURRENT} at once",
        [
            "trials",
            "ms a trial",
            "ms each further trial",
            "of these outside the script",
            "MiB of the command",
            "ms until a value is seen (median, worst)",
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
        # Without the start of the process that trials are forked from, which happens once.
        "ms_per_further_trial": further * 1000,
        "ms_script": own * 1000,
        "ms_beside_script": (further - own / CONCURRENT) * 1000,
        "heard_ms_median": statistics.median(delays) * 1000,
        "heard_ms_worst": max(delays) * 1000,
    }


def _span(job: Path) -> tuple[float, float]:
    """Return the seconds since 1970 at which a job's script began and at which it had logged."""
    begun, done = (job / "user_logs" / "std_log.txt").read_text(encoding="utf-8").split()
    return float(begun), float(done)
