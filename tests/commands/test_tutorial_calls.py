"""The requests of one command, compared field by field with those of the tutorial's own calls."""

import json
import re
from pathlib import Path
from typing import Any
from unittest.mock import ANY

import pytest
from azure.ai.ml import MLClient
from azure.ai.ml.constants._endpoint import EndpointInvokeFields
from azure.identity import DefaultAzureCredential

from mnist_exp.workspaces.azure.sdk_output import quiet
from tests.azure_emulator import rules
from tests.azure_emulator.certificates import Certificates
from tests.azure_emulator.emulator import GROUP, SUBSCRIPTION, WORKSPACE, Emulator, Recorded
from tests.azure_emulator.engines import StubEngine
from tests.azure_emulator.routes import endpoints, jobs
from tests.commands import tutorial_calls
from tests.support.azure_commands import MNIST, TUTORIAL, StartEmulator
from tests.support.command_line import Cli
from tests.support.emulated_azure import use_emulator

#: Requests that create, invoke or delete, in the tutorial's order.
ORDER = [
    "compute.put",
    "job.put",
    "job.put",
    "models.put",
    "endpoint.put",
    "deployment.put",
    "score",
    "endpoint.delete",
]
#: The traffic, which the tutorial does not set. It names a deployment in its request instead.
TRAFFIC = ("endpoint.put", {"traffic.tff-blue": 100})

COMMAND = (
    "python {script} --data-folder ${{{{inputs.data_folder}}}} "
    "--batch-size ${{{{{drawn}.batch_size}}}} "
    "--first-layer-neurons ${{{{{drawn}.first_layer_neurons}}}} "
    "--second-layer-neurons ${{{{{drawn}.second_layer_neurons}}}} "
    "--learning-rate ${{{{{drawn}.learning_rate}}}}"
)
MORE = "".join(f" --{name} ${{{{inputs.{name}}}}}" for name in ("epochs", "architecture",
       "optimizer", "seed")) + " --checkpoints ${{outputs.checkpoints}}"  # fmt: skip
OLD = f"azureml:{tutorial_calls.CURATED}@latest"
SUCCESSOR = "azureml:AzureML-tensorflow-2.16-cuda12@latest"

#: Reasons for a difference from the tutorial.
RETIRED = "Azure has retired it or closed it to the public; this is its successor"
IDENTITY = "the tutorial's text mentions it, its code leaves it out"
INPUT = "an input here, a constant of the tutorial's script"
REPEATS = "the same seed gives the same run"
RESUMES = "an evicted job resumes from there"
QUIET = "keeps TensorFlow's start-up lines out of the log"
OUR_TEXT = "a text of ours"
FOUND_AGAIN = "identifies a registered version"

#: Field -> the tutorial's value, ours, why. None: not sent.
Differences = dict[str, tuple[Any, Any, str]]

BOTH_JOBS: Differences = {
    "name": (ANY, ANY, "each job's own"),
    "identity.identityType": (None, "UserIdentity", IDENTITY),
    "inputs.data_folder.uri": (tutorial_calls.WEB_PATH, MNIST, RETIRED),
    "outputs.checkpoints.jobOutputType": (None, "uri_folder", RESUMES),
    **{
        f"inputs.{name}.{key}": (None, value, why)
        for name, text, why in (
            ("epochs", "20", INPUT),
            ("architecture", "dnn", INPUT),
            ("optimizer", "sgd", INPUT),
            ("seed", "42", REPEATS),
        )
        for key, value in (("value", text), ("jobInputType", "literal"))
    },
}

#: For each request of ORDER, every difference.
DIFFERENCES: list[Differences] = [
    {"vmSize": (tutorial_calls.SIZE, "STANDARD_NC4AS_T4_V3", RETIRED)},
    BOTH_JOBS
    | {
        "command": (
            COMMAND.format(script="tf_mnist.py", drawn="inputs"),
            COMMAND.format(script="train.py", drawn="inputs") + MORE,
            f"{INPUT}; {RESUMES}",
        ),
        "environmentId": (OLD, SUCCESSOR, RETIRED),
        "environmentVariables.TF_CPP_MIN_LOG_LEVEL": (None, "3", QUIET),
    },
    BOTH_JOBS
    | {
        "trial.command": (
            COMMAND.format(script="tf_mnist.py", drawn="search_space"),
            COMMAND.format(script="train.py", drawn="search_space") + MORE,
            f"{INPUT}; {RESUMES}",
        ),
        "trial.environmentId": (OLD, SUCCESSOR, RETIRED),
        "trial.environmentVariables.TF_CPP_MIN_LOG_LEVEL": (None, "3", QUIET),
        # The SDK sends the name of the current folder instead.
        "experimentName": (ANY, "tf-dnn-image-classify", "the SDK drops it from job(...)"),
        "samplingAlgorithm.seed": (None, 42, REPEATS),
        "samplingAlgorithm.rule": (None, "random", "the default, spelt out"),
        "earlyTermination.slackAmount": (None, 0.0, "which is unset"),
    },
    {
        "description": ("Model created from run.", ANY, OUR_TEXT),
        "tags.mnist_exp.job": (None, "best", FOUND_AGAIN),
        "tags.mnist_exp.path": (None, "outputs/model", FOUND_AGAIN),
    },
    {"description": (ANY, ANY, OUR_TEXT)},
    {"environmentId": (OLD, ANY, "no TensorFlow image for serving is left; see environment-score")},
    {"deployment": ("tff-blue", None, "chosen by the endpoint's traffic, as for any client")},
    {},
]


def test_one_command_sends_what_the_tutorial_sends(
    azure: StartEmulator,
    cli: Cli,
    digits: Path,
    tmp_path: Path,
    certificates: Certificates,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ours = azure(StubEngine())
    done = cli.ok(*TUTORIAL)
    assert "experimental" not in done.stderr
    assert ours.store.endpoints == {}
    assert list(ours.store.computes) == ["gpu-cluster"]

    theirs = Emulator(certificates, StubEngine(), tmp_path / "tutorial")
    back_then(monkeypatch)
    try:
        use_emulator(theirs, digits, monkeypatch)
        theirs.mounts[tutorial_calls.WEB_PATH] = digits
        client = MLClient(
            DefaultAzureCredential(), SUBSCRIPTION, GROUP, WORKSPACE, enable_telemetry=False
        )
        with quiet():
            tutorial_calls.follow_the_tutorial(client, tmp_path / "src")
    finally:
        theirs.close()
    calls, tutorial = sent(ours), sent(theirs)
    (traffic,) = [call for call in calls if TRAFFIC[1].items() <= call[1].items()]
    assert [kind for kind, _ in calls[calls.index(traffic) :]] == [TRAFFIC[0], *ORDER[-2:]]
    calls.remove(traffic)
    assert [kind for kind, _ in calls] == [kind for kind, _ in tutorial] == ORDER
    for (kind, mine), (_, its), expected in zip(calls, tutorial, DIFFERENCES, strict=True):
        found = {
            path: (its.get(path), mine.get(path))
            for path in mine.keys() | its.keys()
            if mine.get(path) != its.get(path)
        }
        assert found == {path: (old, new) for path, (old, new, _) in expected.items()}, kind


def back_then(patch: pytest.MonkeyPatch) -> None:
    """Offer the size and the environment that the tutorial names, as when it was written."""
    patch.setitem(rules.SIZES, tutorial_calls.SIZE.lower(), ("Standard NC Family", 6))
    patch.setattr(jobs, "CURATED", (tutorial_calls.CURATED,))
    patch.setattr(endpoints, "INFERENCE", (tutorial_calls.CURATED,))
    # The SDK writes the named deployment into a table that later calls share.
    shared = dict(EndpointInvokeFields.DEFAULT_HEADER)
    patch.setattr(EndpointInvokeFields, "DEFAULT_HEADER", shared)


def sent(emulator: Emulator) -> list[tuple[str, dict[str, Any]]]:
    """Return the requests that create, invoke or delete, as field -> value, without ids."""
    return [(one.kind, fields(one)) for one in emulator.recorded(*ORDER)]


def fields(one: Recorded) -> dict[str, Any]:
    """Return the name in the address, the header that chooses a deployment, and the body."""
    name = neutral(one.path.rpartition("/")[2])
    body = flat(json.loads(neutral(json.dumps(one.body))))
    if one.kind == "score":
        # Compare the layout of the rows, not the digits.
        body = {key: (len(rows), {len(row) for row in rows}) for key, rows in body.items()}
        name = neutral(one.path)
    chosen = one.headers.get("azureml-model-deployment")
    return {"name": name, **({"deployment": chosen} if chosen else {}), **body}


def neutral(text: str) -> str:
    text = re.sub(r"/codes/[-0-9a-f]{36}/", "/codes/guid/", text)
    text = re.sub(r'"(mlflow|azureml)\.[\w.]*git[\w.]*": "[^"]*"', '"git": ""', text)
    text = re.sub(r"tff-dnn-endpoint-[0-9a-f]{8}", "tff-dnn-endpoint-8hexdigits", text)
    return re.sub(r"\b\w+_7\b", "best", text)


def flat(value: Any, at: str = "") -> dict[str, Any]:
    """Return a body as path -> value, without empty values."""
    if isinstance(value, dict) and value:
        parts = (flat(item, f"{at}.{key}" if at else key) for key, item in value.items())
        found = {path: leaf for part in parts for path, leaf in part.items()}
        return {path.removeprefix("properties."): leaf for path, leaf in found.items()}
    return {} if value in (None, {}, [], "") else {at: value}
