"""What a trial of a sweep costs beside its script, and how soon its values are heard of."""

import statistics
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.our_sweep import CONCURRENT, entries_of, prepare_store, run_sweep, sweep_spec
from benchmarks.report import save, show
from mnist_exp.sweeps.journal import Ended, Logged

#: Logs one value, and says when it began and when it had done so.
_STUB = """\
import time
begun = time.time()
import sys
import mlflow

mlflow.log_metric("score", float(sys.argv[1]))
print(begun, time.time())
"""


def overhead(counts: Sequence[int]) -> None:
    """Measures what a trial of a stub script costs, and how soon a value is heard of.

    Args:
        counts: Numbers of trials.
    """
    found = [_stub_sweep(count) for count in counts]
    show(
        f"A script that logs one value with MLflow, {CONCURRENT} at once",
        [
            "trials",
            "ms a trial",
            "ms each after the first",
            "of them beside the script",
            "MiB of the command",
            "ms to hear of a value (median, worst)",
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
        # Without the start of the process that trials are forked from, which there is once.
        "ms_per_further_trial": further * 1000,
        "ms_script": own * 1000,
        "ms_beside_script": (further - own / CONCURRENT) * 1000,
        "heard_ms_median": statistics.median(delays) * 1000,
        "heard_ms_worst": max(delays) * 1000,
    }


def _span(job: Path) -> tuple[float, float]:
    """Seconds since 1970: when a job's script began, and when it was done logging."""
    begun, done = (job / "user_logs" / "std_log.txt").read_text(encoding="utf-8").split()
    return float(begun), float(done)
