"""Jobs, trials and workers in an environment that has no package of mnist-exp, nor MLflow."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mnist_exp.config import EnvConfig
from mnist_exp.workspaces.local.endpoints import ModelFiles
from mnist_exp.workspaces.local.environments.cache import EnvironmentCache
from mnist_exp.workspaces.local.environments.interpreter import Interpreter
from mnist_exp.workspaces.local.environments.throwaway import throwaway_folder
from mnist_exp.workspaces.local.processes.job_orphans import find_processes
from mnist_exp.workspaces.local.tracking.database import STORE_NAME, store_uri
from mnist_exp.workspaces.local.workspace import LocalWorkspace
from tests.support.paths import REPOSITORY
from tests.support.scripted_endpoint import NAME, ScriptedEndpoint
from tests.support.small_jobs import choice, command_job, sweep_job
from tests.support.waiting import eventually
from tests.support.watching import Watcher
from tests.workspaces.local.environments.conftest import Conda

#: Logs as every version of MLflow's client does: with requests to the tracking server.
CLIENT = """\
import json, os, time, urllib.request


def log_metric(name, value, step=0):
    entry = {"run_id": os.environ["MLFLOW_RUN_ID"], "key": name, "value": value, "step": step}
    entry["timestamp"] = int(time.time() * 1000)
    request = urllib.request.Request(
        os.environ["MLFLOW_TRACKING_URI"] + "/api/2.0/mlflow/runs/log-metric",
        json.dumps(entry).encode(),
        {"Content-Type": "application/json"},
    )
    urllib.request.urlopen(request).read()
"""
#: Logs a poor value for ever if `--value` is 1. Only early termination ends this trial.
TRIAL = """\
import json, sys, time
import client, tinypkg

value = float(sys.argv[1])
is_forked = "__forked_from__" in sys.modules
about = {"version": tinypkg.VERSION, "prefix": sys.prefix, "forked": is_forked}
open("outputs/about.json", "w").write(json.dumps(about))
for step in range(3 if value > 1 else 1000):
    client.log_metric("score", value, step)
    time.sleep(0.05)
"""
SCORE = """\
import json, sys, tinypkg

def init():
    pass

def run(raw_data):
    return [tinypkg.VERSION, sys.prefix, json.loads(raw_data)]
"""
#: Enters `served_store`, prints the server's address, and waits.
SERVE = """\
import sys
from pathlib import Path
from mnist_exp.workspaces.local.tracking.served_store import served_store

with served_store(Path(sys.argv[1]), Path(sys.argv[1], "log.txt")) as uri:
    print(uri, flush=True)
    input()
"""


@pytest.fixture(scope="module")
def env(conda: Conda) -> EnvConfig:
    """The environment of the jobs."""
    return conda("tinypkg=1.0")


@pytest.fixture(scope="module")
def foreign(shared_cache: Path, env: EnvConfig) -> Iterator[Interpreter]:
    """The Python of the environment."""
    with EnvironmentCache(shared_cache / "environments").using(env, "env", print) as interpreter:
        yield interpreter


def servers(outputs: Path) -> list[int]:
    """Return the tracking servers of an outputs folder."""
    store = store_uri(outputs / STORE_NAME)
    return find_processes(store.__eq__, "_MLFLOW_SERVER_FILE_STORE")


def test_trials_are_forked_in_their_environment_and_log_to_our_store(
    outputs: Path, code: Callable[..., Path], env: EnvConfig, shared_cache: Path
) -> None:
    workspace = LocalWorkspace(outputs, str(shared_cache))
    job = sweep_job(
        "python script.py {{search_space.value}}",
        {"value": choice(2.0, 1.0)},
        sweep={"early_termination": {"type": "bandit", "slack_factor": 0.1}},
        # The policy compares the second trial with the first one, which must have its values.
        limits={"max_concurrent_trials": 1},
        code=code(TRIAL, **{"client.py": CLIENT}),
        environment=env,
    )
    result = workspace.watch(workspace.submit(job), Watcher())
    assert [trial.best for trial in result.trials] == [2.0, 1.0]
    assert [bool(trial.cut) for trial in result.trials] == [False, True]
    for index in (0, 1):
        folder = outputs / "jobs" / f"sweep_{index}"
        about = json.loads((folder / "outputs" / "about.json").read_text(encoding="utf-8"))
        prefix = str(throwaway_folder(folder / "work"))
        assert about == {"version": "1.0", "prefix": prefix, "forked": True}
    assert servers(outputs) == []


def test_a_job_is_told_when_its_environment_lacks_a_package(
    outputs: Path, env: EnvConfig, shared_cache: Path
) -> None:
    workspace = LocalWorkspace(outputs, str(shared_cache))
    name = workspace.submit(command_job("python -c 'import hydra'", environment=env))
    result = workspace.watch(name, Watcher())
    assert "No module named 'hydra'; add the package to env.conda_file" in result.why
    assert servers(outputs) == []


def test_the_server_ends_with_a_killed_command(outputs: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", SERVE, outputs],
        cwd=REPOSITORY,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as command:
        assert command.stdout is not None
        assert command.stdout.readline().startswith(b"http://127.0.0.1:")
        (server,) = servers(outputs)
        # A server that is killed is started again.
        os.kill(server, signal.SIGKILL)
        eventually(lambda: servers(outputs) not in ([], [server]))
        command.kill()
    eventually(lambda: servers(outputs) == [])


def test_a_worker_runs_in_the_environment(tmp_path: Path, foreign: Interpreter) -> None:
    endpoint = ScriptedEndpoint(tmp_path)
    endpoint.create()
    try:
        model = ModelFiles(endpoint.model, "digits", "3")
        endpoint.endpoints.deploy(endpoint.spec(SCORE), model, foreign)
        answer = endpoint.endpoints.invoke(NAME, b'{"a": 1}', "blue")
    finally:
        endpoint.endpoints.delete(NAME)
    version, prefix, body = answer  # type: ignore[misc]
    assert (version, body) == ("1.0", {"a": 1})
    assert Path(prefix).is_relative_to(endpoint.root)
