"""The process of our sweep: `python -m benchmarks.sweep_command SPEC`.

SPEC is a JSON object (see `our_sweep.sweep_spec`). The process prints a JSON object with the
duration of the sweep in seconds, the peak memory of this process, and the number of trials. The
duration does not include the start of Python and our imports.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any

from mnist_exp.config import ComputeConfig, ComputeType, DataConfig, DataType, EnvConfig, EnvType
from mnist_exp.results import JobResult
from mnist_exp.specs import CommandJob, OutputSpec, PathInput, SweepJob
from mnist_exp.sweeps import parse_sweep
from mnist_exp.workspaces.local.tracking import (
    store,  # noqa: F401 - import MLflow before the measurement begins
)
from mnist_exp.workspaces.local.workspace import LocalWorkspace


class _SilentListener:
    def job_changed(self, job: JobResult) -> None:
        pass

    def message(self, text: str) -> None:
        pass

    def idle(self) -> None:
        pass


def main(spec: dict[str, Any]) -> None:
    plan, faults = parse_sweep(spec["sweep"])
    if plan is None:
        raise SystemExit("\n".join(faults))
    # Use a data config, as users do. The sweep then validates the digits, and mounts the digits
    # write-protected.
    data = DataConfig(DataType.folder, path=spec["data"]) if spec["data"] else None
    inputs = {"data_folder": PathInput(data, mode=spec.get("mode", "ro_mount"))} if data else {}
    trial = CommandJob(
        name="sweep",
        experiment_name="benchmark",
        display_name="sweep",
        command=spec["command"],
        quoted=True,
        compute=ComputeConfig(ComputeType.local, "local"),
        environment=EnvConfig(EnvType.local),
        code=Path(spec["code"]),
        inputs=inputs,
        outputs={"checkpoints": OutputSpec()} if "outputs." in spec["command"] else {},
    )
    job = SweepJob("sweep", trial, plan.search_space, plan.sampling, plan.objective, plan.limits)
    workspace = LocalWorkspace(Path("outputs"))
    start = time.perf_counter()
    workspace.submit(job)
    result = workspace.watch("sweep", _SilentListener())
    seconds = time.perf_counter() - start
    if any(not trial.events for trial in result.trials):
        raise SystemExit(f"a trial logged nothing: {result.why} {result.trials}")
    print(json.dumps({"seconds": seconds, "peak_bytes": _peak(), "trials": len(result.trials)}))


def _peak() -> int:
    # Do not use getrusage: if the parent process has a higher peak, getrusage returns that peak.
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    line = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
