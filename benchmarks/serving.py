"""A benchmark of an endpoint's requests per second and latency.

The endpoint is compared with Azure ML's own inference server.
"""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from benchmarks.inference_server import InferenceServer
from benchmarks.report import save, show
from mnist_exp.config import EnvConfig, EnvType, RequestSettingsConfig
from mnist_exp.specs import DeploymentSpec, EndpointSpec
from mnist_exp.workspaces.local.endpoints import Endpoints, ModelFiles

_ROOT = Path(__file__).parents[1]
_NAME = "bench-endpoint"
_CASES = [(rows, connections) for rows in (1, 30) for connections in (1, 4)]

Measured = dict[str, list[float]]


def serving(data: Path, rounds: int, seconds: float, with_rival: bool = True) -> None:
    """Measure both servers in turns, and print and save the results.

    The same load generator sends the same requests to both servers. Our endpoint checks the key,
    and has one worker and a max_concurrent_requests_per_instance of 16.

    Args:
        data: A folder with MNIST's files.
        rounds: Number of measurements of each case with each server.
        seconds: Duration of a measurement.
        with_rival: Whether to measure the inference server too. The first measurement of this
            server downloads TensorFlow.
    """
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        model = _trained_model(data, folder)
        uris, ready = {}, {}
        uris["endpoint"], ready["endpoint"] = _endpoint(model, folder, stack)
        if with_rival:
            rival = stack.enter_context(InferenceServer(model.parent, folder))
            uris["inference server"], ready["inference server"] = rival.uri, rival.ready_s
        results = _race(uris, folder, rounds, seconds)
    _show(results, ready)
    path = save("serving", {"cases": results, "ready_s": ready})
    print(f"written: {path}")


def _trained_model(data: Path, folder: Path) -> Path:
    command = [sys.executable, str(_ROOT / "trainer" / "train.py"), "--data-folder", str(data)]
    subprocess.run([*command, "--epochs", "1"], cwd=folder, check=True, capture_output=True)
    return folder / "outputs" / "model"


def _endpoint(model: Path, folder: Path, stack: ExitStack) -> tuple[str, float]:
    endpoints = Endpoints(folder / "endpoints")
    spec = DeploymentSpec(
        name="blue",
        endpoint=_NAME,
        model="digits:1",
        code=str(_ROOT / "trainer"),
        scoring_script="score.py",
        environment=EnvConfig(EnvType.local),
        instance_type="any",
        request_settings=RequestSettingsConfig(60_000, 16),
    )
    began = time.perf_counter()
    endpoints.create_or_update(EndpointSpec(_NAME))
    stack.callback(endpoints.delete, _NAME)
    endpoints.deploy(spec, ModelFiles(model, "digits", "1"))
    endpoint = endpoints.create_or_update(EndpointSpec(_NAME, traffic={"blue": 100}))
    return endpoint.scoring_uri or "", time.perf_counter() - began


def _race(
    uris: dict[str, str], folder: Path, rounds: int, seconds: float
) -> dict[str, dict[str, Measured]]:
    generator = np.random.default_rng(0)
    keys = folder / "endpoints" / _NAME / "keys.json"
    results: dict[str, dict[str, Measured]] = {}
    for rows, connections in _CASES:
        body = folder / f"{rows}.json"
        pixels = generator.integers(0, 256, (rows, 784))
        body.write_text(json.dumps({"data": pixels.tolist()}), encoding="utf-8")
        case = results[f"{rows} rows, {connections} connections"] = {
            name: {"rate": [], "p50_ms": [], "p99_ms": []} for name in uris
        }
        for number in range(rounds + 1):
            for name, uri in uris.items():
                command = [sys.executable, "-m", "benchmarks.load", uri, str(keys), str(body)]
                measured = _load([*command, str(connections), str(seconds)])
                # Ignore the first measurement, which is slower because caches are empty.
                for key, value in measured.items() if number else ():
                    case[name][key].append(value)
    return results


def _load(command: list[str]) -> dict[str, float]:
    output = subprocess.run(command, cwd=_ROOT, check=True, capture_output=True, text=True).stdout
    found = json.loads(output)
    took = sorted(found["took"])
    return {
        "rate": len(took) / found["seconds"],
        "p50_ms": statistics.median(took) * 1000,
        "p99_ms": took[int(len(took) * 0.99)] * 1000,
    }


def _show(results: dict[str, dict[str, Measured]], ready: dict[str, float]) -> None:
    rows = []
    for case, servers in results.items():
        base = servers.get("inference server")
        for name, measured in servers.items():
            medians = {key: statistics.median(values) for key, values in measured.items()}
            ratio = medians["rate"] / statistics.median(base["rate"]) if base else None
            tail = medians["p99_ms"] / statistics.median(base["p99_ms"]) if base else None
            cells = [f"{medians['rate']:,.0f}", f"{medians['p50_ms']:.2f}"]
            cells += [f"{medians['p99_ms']:.2f}", f"{ready[name]:.2f}"]
            cells += [f"{ratio:.1f}" if ratio else "-", f"{tail:.2f}" if tail else "-"]
            rows.append([f"{case}: {name}", *cells])
    columns = ["", "requests/s", "p50 ms", "p99 ms", "ready s", "x requests/s", "x p99"]
    show("Serving, key check on, one worker", columns, rows)
