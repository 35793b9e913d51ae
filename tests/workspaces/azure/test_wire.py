"""What goes over the wire for a spec, beside a JSON that a person has read.

`python -m pytest tests/workspaces/azure/test_wire.py --rewrite-wire` writes them anew: look at the
difference before you commit it.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from azure.ai.ml import (
    load_compute,
    load_job,
    load_model,
    load_online_deployment,
    load_online_endpoint,
)

from mnist_exp import build
from mnist_exp.azure_form import job_yaml
from mnist_exp.config import AuthMode, Stage
from mnist_exp.specs import CommandJob, EndpointSpec, ModelSpec, ProbeSettings, SweepJob
from mnist_exp.workspaces.azure.translation import (
    compute_entity,
    deployment_entity,
    endpoint_entity,
    job_entity,
    model_entity,
)
from mnist_exp.workspaces.azure.workspace import AzureWorkspace
from tests.azure_emulator.certificates import Certificates
from tests.azure_emulator.emulator import Emulator, Recorded
from tests.azure_emulator.engines import StubEngine
from tests.support.configs import QUICK_ROLLOUT
from tests.workspaces.azure.bench import MNIST, Bench
from tests.workspaces.azure.conftest import taken_for_azure

pytestmark = pytest.mark.xdist_group("azure-wire")

WIRE = Path(__file__).parent / "wire"

ALL_EXPRESSIONS = {
    "choice_of_texts": "{type: choice, values: [a, b]}",
    "choice_of_spaces": "{type: choice, values: [{depth: 1, rate: "
    "{type: uniform, min_value: 0, max_value: 1}}]}",
    "randint": "{type: randint, upper: 7}",
    "uniform": "{type: uniform, min_value: 0.1, max_value: 0.9}",
    "quniform": "{type: quniform, min_value: 1, max_value: 9, q: 2}",
    "qloguniform": "{type: qloguniform, min_value: 0, max_value: 3, q: 0.5}",
    "normal": "{type: normal, mu: 1, sigma: 2}",
    "qnormal": "{type: qnormal, mu: 1, sigma: 2, q: 0.5}",
    "lognormal": "{type: lognormal, mu: 0, sigma: 1}",
    "qlognormal": "{type: qlognormal, mu: 0, sigma: 1, q: 0.5}",
}

JOBS = {
    "train-tutorial": (Stage.train, []),
    "train-serverless": (Stage.train, ["compute=serverless", "compute.size=STANDARD_DS3_V2"]),
    "train-managed-identity": (Stage.train, ["job.identity=managed", "job.timeout=90"]),
    "train-conda": (Stage.train, ["env=conda"]),
    "train-distributed": (
        Stage.train,
        ["job.distribution.type=tensorflow", "job.distribution.worker_count=2"],
    ),
    "train-command": (
        Stage.train,
        [
            "job.script=null",
            "job.command='python train.py --lr {{inputs.learning_rate}} "
            "[[--seed {{inputs.seed}}]] && ls'",
            "+job.inputs.flag=true",
            "job.environment_variables={LEVEL: '3'}",
        ],
    ),
    "train-modes": (
        Stage.train,
        ["job.inputs.data_folder.mode=download", "job.outputs.checkpoints.mode=upload"],
    ),
    "sweep-tutorial": (Stage.sweep, []),
    "sweep-distributed": (
        Stage.sweep,
        ["job.distribution.type=tensorflow", "job.distribution.worker_count=2"],
    ),
    "sweep-limits": (
        Stage.sweep,
        ["sweep.limits.timeout=30", "sweep.limits.trial_timeout=90", "job.timeout=600"],
    ),
    "sweep-sobol": (Stage.sweep, ["sweep=sobol", "sweep.sampling_algorithm.logbase=10"]),
    "sweep-grid": (Stage.sweep, ["sweep=grid", "sweep.limits.timeout=7200"]),
    "sweep-median": (
        Stage.sweep,
        [
            "sweep.early_termination={type: median_stopping, evaluation_interval: 3, "
            "delay_evaluation: 4}",
            "~sweep.early_termination.slack_factor",
        ],
    ),
    "sweep-truncation": (
        Stage.sweep,
        [
            "sweep.early_termination={type: truncation_selection, truncation_percentage: 20}",
            "~sweep.early_termination.slack_factor",
        ],
    ),
    "sweep-amount": (
        Stage.sweep,
        ["sweep.early_termination.slack_factor=0", "+sweep.early_termination.slack_amount=0.2"],
    ),
    "sweep-bayesian": (Stage.sweep, ["sweep=bayesian"]),
    "sweep-dotted": (
        Stage.sweep,
        ["sweep=quick", "+sweep.search_space.model.epochs={type: choice, values: [2, 3]}"],
    ),
    "sweep-serverless": (Stage.sweep, ["compute=serverless", "compute.size=STANDARD_DS3_V2"]),
    "sweep-expressions": (
        Stage.sweep,
        [f"+sweep.search_space.{name}={text}" for name, text in ALL_EXPRESSIONS.items()],
    ),
}


def spec_of(bench: Bench, case: str) -> CommandJob | SweepJob:
    stage, overrides = JOBS[case]
    config = bench.config(stage, *overrides)
    maker = build.command_job if stage is Stage.train else build.sweep_job
    return maker(config, case.replace("-", "_"))


def without_git(body: object) -> object:
    """A body without what the SDK tells of the checkout, which differs from one to the next."""
    if isinstance(body, dict):
        return {
            key: without_git(value)
            for key, value in body.items()
            if not key.startswith(("mlflow.source.git", "azureml.git"))
        }
    return [without_git(item) for item in body] if isinstance(body, list) else body


def check(request: pytest.FixtureRequest, name: str, recorded: Recorded) -> None:
    """Compare a request's body with the one that was reviewed, ids and tokens aside."""
    path = WIRE / f"{name}.json"
    text = json.dumps(without_git(recorded.body), indent=1, sort_keys=True) + "\n"
    text = re.sub(r"/codes/[-0-9a-f]{36}/", "/codes/{guid}/", text)
    text = re.sub(r"AnonymousEnvironment/versions/[0-9a-f]+", "AnonymousEnvironment/{hash}", text)
    if request.config.getoption("--rewrite-wire"):
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def shared(
    certificates: Certificates, digits: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Bench, AzureWorkspace]]:
    """A bench whose cluster is there, and one workspace for all jobs."""
    folder = tmp_path_factory.mktemp("wire")
    emulator = Emulator(certificates, StubEngine(), folder / "emulator")
    with pytest.MonkeyPatch.context() as patch:
        taken_for_azure(emulator, digits, patch)
        bench = Bench(emulator, folder / "outputs", digits.parent)
        bench.run(Stage.compute)
        yield bench, bench.workspace()
    emulator.close()


def test_a_cluster(request: pytest.FixtureRequest, bench: Bench) -> None:
    bench.run(Stage.compute)
    check(request, "compute-tutorial", bench.emulator.recorded("compute.put")[-1])
    bench.run(Stage.compute, "compute=low_priority")
    check(request, "compute-low-priority", bench.emulator.recorded("compute.put")[-1])


def test_model_endpoint_and_deployment(request: pytest.FixtureRequest, ready: Bench) -> None:
    ready.run(Stage.sweep, "sweep=quick")
    model = ready.run(Stage.register)
    body = ready.emulator.recorded("models.put")[-1]
    text = json.dumps(body.body).replace(model.model["job"], "JOB")
    check(request, "model-tutorial", Recorded("", "", "", {}, json.loads(text), {}))
    ready.run(Stage.deploy, "endpoint.name=endpoint-1")
    for kind, which, name in (
        ("endpoint.put", 0, "endpoint-tutorial"),
        ("endpoint.put", 1, "endpoint-traffic"),
        ("deployment.put", 0, "deployment-tutorial"),
        ("environments.put", 0, "environment-score"),
    ):
        check(request, name, ready.emulator.recorded(kind)[which])


def test_what_an_endpoint_and_a_deployment_may_be_told(
    request: pytest.FixtureRequest, registered: Bench
) -> None:
    bench = registered
    bench.run(
        Stage.deploy,
        "endpoint.name=endpoint-1",
        "endpoint.auth_mode=aml_token",
        "endpoint.deployment.instance_count=2",
        "+endpoint.deployment.environment_variables.LEVEL='3'",
        "endpoint.deployment.request_settings.request_timeout_ms=90000",
        "endpoint.deployment.request_settings.max_concurrent_requests_per_instance=4",
        "endpoint.deployment.liveness_probe.period=5",
        "endpoint.deployment.readiness_probe.initial_delay=60",
    )
    bench.run(Stage.deploy, *QUICK_ROLLOUT, "endpoint.auth_mode=aml_token")
    for kind, which, name in (
        ("endpoint.put", 0, "endpoint-token"),
        ("deployment.put", 0, "deployment-settings"),
        ("endpoint.put", 2, "endpoint-mirror"),
    ):
        check(request, name, bench.emulator.recorded(kind)[which])


def dumped(entity: Any, path: Path) -> str:
    # A command is loaded as what it would be inside a pipeline, and dumped in a form of that kind
    # which is no job any more.
    entity = entity._to_job() if hasattr(entity, "_to_job") else entity
    path.unlink(missing_ok=True)
    entity.dump(path)
    return path.read_text(encoding="utf-8")


@pytest.mark.parametrize("case", list(JOBS))
def test_a_job_and_its_yaml_say_the_same(
    request: pytest.FixtureRequest,
    shared: tuple[Bench, AzureWorkspace],
    case: str,
    tmp_path: Path,
) -> None:
    bench, workspace = shared
    spec = spec_of(bench, case)
    workspace.submit(spec)
    ours = bench.emulator.recorded("job.put")[-1]
    check(request, case, ours)
    if case == "train-conda":
        check(request, "environment-train", bench.emulator.recorded("environments.put")[-1])
    bench.emulator.store.jobs.clear()
    maker = job_yaml.sweep_yaml if isinstance(spec, SweepJob) else job_yaml.command_yaml
    path = tmp_path / "job.yaml"
    path.write_text(yaml.safe_dump(maker(spec, lambda _: MNIST)), encoding="utf-8")
    loaded = load_job(path)
    first = dumped(loaded, tmp_path / "first.yaml")
    assert dumped(load_job(tmp_path / "first.yaml"), tmp_path / "second.yaml") == first
    workspace._connection.client.jobs.create_or_update(load_job(path))
    by_yaml = bench.emulator.recorded("job.put")[-1]
    bench.emulator.store.jobs.clear()
    assert comparable(by_yaml.body) == comparable(ours.body)
    assert job_entity(spec, lambda _: MNIST).name == loaded.name


def comparable(body: Any) -> Any:
    """Return a body without what a loader writes down though it is the default."""
    text = json.dumps(body, sort_keys=True)
    text = re.sub(r"/codes/[-0-9a-f]{36}/", "/codes/guid/", text)
    return without(json.loads(text))


DEFAULTS = {"mode": ("ReadOnlyMount", "ReadWriteMount"), "description": ("",)}


def without(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            key: without(item)
            for key, item in value.items()
            if item not in ({}, None, []) and item not in DEFAULTS.get(key, ())
        }
    return [without(item) for item in value] if isinstance(value, list) else value


def test_the_other_yamls_load(shared: tuple[Bench, AzureWorkspace], tmp_path: Path) -> None:
    config = shared[0].config(Stage.all)
    model = ModelSpec("m", "job", "outputs/model")
    endpoint = EndpointSpec(
        "endpoint-1", AuthMode.key, "d", traffic={"a": 100}, mirror_traffic={"b": 10}
    )
    deployment = build.deployment_spec(config, "endpoint-1", "m:1")
    probed = replace(deployment, liveness_probe=ProbeSettings(period=3))
    bare = replace(deployment, code=None, scoring_script=None)
    cluster = build.compute_spec(config)
    for load, document, entity in (
        (load_compute, job_yaml.compute_yaml(cluster), compute_entity(cluster)),
        (load_model, job_yaml.model_yaml(model), model_entity(model, "1")),
        (load_online_endpoint, job_yaml.endpoint_yaml(endpoint), endpoint_entity(endpoint)),
        *(
            (load_online_deployment, job_yaml.deployment_yaml(one), deployment_entity(one))
            for one in (deployment, probed, bare)
        ),
    ):
        path = tmp_path / "one.yaml"
        path.write_text(yaml.safe_dump(document), encoding="utf-8")
        loaded: Any = load(path)
        assert loaded.name == entity.name
