"""The request for each spec, compared with a JSON file that a person has reviewed.

`python -m pytest tests/workspaces/azure/test_wire.py --rewrite-wire` writes the files again. Read
the difference before you commit it.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from azure.ai.ml import load_job

from mnist_exp import build
from mnist_exp.azure_form import yaml_documents
from mnist_exp.config import Stage
from mnist_exp.specs import CommandJob, SweepJob
from mnist_exp.workspaces.azure.translation import job_entity
from mnist_exp.workspaces.azure.workspace import AzureWorkspace
from tests.azure_emulator.certificates import Certificates
from tests.azure_emulator.emulator import Emulator, Recorded
from tests.azure_emulator.engines import StubEngine
from tests.support.azure_commands import MNIST
from tests.support.configs import QUICK_ROLLOUT
from tests.support.emulated_azure import AzureStages, use_emulator

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
            "$[[--seed {{inputs.seed}}]] && ls'",
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


def spec_of(stages: AzureStages, case: str) -> CommandJob | SweepJob:
    stage, overrides = JOBS[case]
    config = stages.config(stage, *overrides)
    maker = build.command_job if stage is Stage.train else build.sweep_job
    return maker(config, case.replace("-", "_"))


def without_git(body: object) -> object:
    """Return a body without the fields that describe the Git checkout, which change."""
    if isinstance(body, dict):
        return {
            key: without_git(value)
            for key, value in body.items()
            if not key.startswith(("mlflow.source.git", "azureml.git"))
        }
    return [without_git(item) for item in body] if isinstance(body, list) else body


def check(request: pytest.FixtureRequest, name: str, recorded: Recorded) -> None:
    """Compare a request's body with the reviewed one; ids may differ."""
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
) -> Iterator[tuple[AzureStages, AzureWorkspace]]:
    """An emulator with a cluster, and one workspace for all jobs."""
    folder = tmp_path_factory.mktemp("wire")
    emulator = Emulator(certificates, StubEngine(), folder / "emulator")
    with pytest.MonkeyPatch.context() as patch:
        use_emulator(emulator, digits, patch)
        stages = AzureStages(emulator, folder / "outputs", digits)
        stages.run(Stage.compute)
        yield stages, stages.workspace()
        stages.close()
    emulator.close()


def test_a_cluster(request: pytest.FixtureRequest, stages: AzureStages) -> None:
    stages.run(Stage.compute)
    check(request, "compute-tutorial", stages.emulator.recorded("compute.put")[-1])
    stages.run(Stage.compute, "compute=low_priority")
    check(request, "compute-low-priority", stages.emulator.recorded("compute.put")[-1])


def test_model_endpoint_and_deployment(request: pytest.FixtureRequest, ready: AzureStages) -> None:
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


def test_all_settings_of_endpoint_and_deployment(
    request: pytest.FixtureRequest, registered: AzureStages
) -> None:
    stages = registered
    stages.run(
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
    stages.run(Stage.deploy, *QUICK_ROLLOUT, "endpoint.auth_mode=aml_token")
    for kind, which, name in (
        ("endpoint.put", 0, "endpoint-token"),
        ("deployment.put", 0, "deployment-settings"),
        ("endpoint.put", 2, "endpoint-mirror"),
    ):
        check(request, name, stages.emulator.recorded(kind)[which])


def dumped(entity: Any, path: Path) -> str:
    # The SDK loads a command as a step of a pipeline, and dumps steps in a form that is no job.
    entity = entity._to_job() if hasattr(entity, "_to_job") else entity
    path.unlink(missing_ok=True)
    entity.dump(path)
    return path.read_text(encoding="utf-8")


@pytest.mark.parametrize("case", list(JOBS))
def test_a_job_and_its_yaml_say_the_same(
    request: pytest.FixtureRequest,
    shared: tuple[AzureStages, AzureWorkspace],
    case: str,
    tmp_path: Path,
) -> None:
    stages, workspace = shared
    spec = spec_of(stages, case)
    workspace.submit(spec)
    ours = stages.emulator.recorded("job.put")[-1]
    check(request, case, ours)
    if case == "train-conda":
        check(request, "environment-train", stages.emulator.recorded("environments.put")[-1])
    stages.emulator.store.jobs.clear()
    maker = yaml_documents.sweep_yaml if isinstance(spec, SweepJob) else yaml_documents.command_yaml
    path = tmp_path / "job.yaml"
    path.write_text(yaml.safe_dump(maker(spec, lambda _: MNIST)), encoding="utf-8")
    loaded = load_job(path)
    first = dumped(loaded, tmp_path / "first.yaml")
    assert dumped(load_job(tmp_path / "first.yaml"), tmp_path / "second.yaml") == first
    workspace._client.sdk.jobs.create_or_update(load_job(path))
    by_yaml = stages.emulator.recorded("job.put")[-1]
    stages.emulator.store.jobs.clear()
    assert comparable(by_yaml.body) == comparable(ours.body)
    assert job_entity(spec, lambda _: MNIST).name == loaded.name


def comparable(body: Any) -> Any:
    """Return a body without the defaults that only the loader of YAML files sends."""
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
