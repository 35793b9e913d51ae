import json
import os
from pathlib import Path
from typing import Any

import pytest

from mnist_exp.checks.endpoint import endpoint_faults
from mnist_exp.config import Stage
from mnist_exp.errors import ConfigError, NotFoundError, RefusedError, ServiceError
from mnist_exp.results import Endpoint, RegisteredModel
from mnist_exp.specs import EndpointSpec
from mnist_exp.stages import RUNNERS, run_stage
from mnist_exp.stages.example_requests import request_body
from tests.support.recorded_outputs import RecordedOutputs

TABLE = {"columns": ["a"], "data": [[1]]}


@pytest.mark.parametrize(
    ("example", "body"),
    [
        ({"inputs": [[1, 2]]}, {"input_data": [[1, 2]]}),
        ({"inputs": {"x": [1]}}, {"input_data": {"x": [1]}}),
        ({"dataframe_split": TABLE}, {"input_data": TABLE}),
        (
            {"dataframe_records": [{"a": 1}], "params": {"k": 2}},
            {"input_data": [{"a": 1}], "params": {"k": 2}},
        ),
        ({"other": 1}, None),
        ([1], None),
    ],
)
def test_an_input_example_becomes_a_request_of_azure(
    tmp_path: Path, example: Any, body: Any
) -> None:
    (tmp_path / "example.json").write_text(json.dumps(example))
    assert request_body(tmp_path / "example.json") == body


def test_a_damaged_example_is_no_request(tmp_path: Path) -> None:
    (tmp_path / "example.json").write_text("{")
    assert request_body(tmp_path / "example.json") is None


class Unreachable:
    """A workspace that cannot download its model, and creates no endpoint."""

    outlives_command = False

    def find_model(self, name: str, version: str | None) -> RegisteredModel:
        return RegisteredModel(name, "1", "azureml://models/digits", "")

    def get_endpoint(self, name: str) -> Endpoint:
        raise NotFoundError(f"endpoint.name: no endpoint {name}")

    def model_file(self, model: str, path: str) -> Path:
        raise ServiceError(f"model {model}: the download of {path} failed")

    def create_or_update_endpoint(self, spec: EndpointSpec) -> Endpoint:
        raise RefusedError("no endpoint is created")


def test_an_example_that_cannot_be_downloaded_does_not_prevent_the_deployment(
    outputs: RecordedOutputs, tmp_path: Path
) -> None:
    (tmp_path / "own.json").write_text("{}")
    own = f"endpoint.request_file={tmp_path / 'own.json'}"
    failed = "model digits:1: the download of input_example.json failed"
    for word, lines in (("seed=1", [failed]), (own, [])):
        outputs.display.messages.clear()
        context = outputs.context(Stage.deploy, "run=digits", word, opener=Unreachable)  # type: ignore[arg-type]
        with pytest.raises(RefusedError, match="no endpoint is created"):
            run_stage(RUNNERS[Stage.deploy](context))
        said = outputs.display.messages
        assert said == [
            f"warning: the example of a request cannot be read: {line}" for line in lines
        ]


class Echoing:
    """A workspace whose endpoint returns each request."""

    def get_endpoint(self, name: str) -> Endpoint:
        return Endpoint(name, "Succeeded", "http://127.0.0.1:1/score")

    def invoke(self, name: str, body: bytes, deployment: str | None) -> object:
        return json.loads(body)


def sent(outputs: RecordedOutputs, *overrides: str) -> object:
    """Return the request that `stage=invoke` sends to the endpoint `one`."""
    context = outputs.context(Stage.invoke, "endpoint.name=one", *overrides, opener=Echoing)
    predictions = run_stage(RUNNERS[Stage.invoke](context)).predictions
    assert predictions is not None
    return predictions["answer"]


def test_invoke_sends_the_example_of_the_deployment(
    outputs: RecordedOutputs, tmp_path: Path
) -> None:
    model = {"name": "digits", "version": "1", "job": "training", "type": "mlflow_model"}
    outputs.add(Stage.deploy, "one", model=model)
    (outputs.path / "runs" / "001" / "request.json").write_text('"example"')
    outputs.add(Stage.deploy, "another", model=model)
    # This command has changed the traffic.
    outputs.add(Stage.deploy, "one")
    assert sent(outputs) == "example"
    own = tmp_path / "own.json"
    own.write_text('"own"')
    assert sent(outputs, f"endpoint.request_file={own}") == "own"


def test_invoke_sends_what_a_pipe_contains(outputs: RecordedOutputs) -> None:
    outputs.add(Stage.deploy, "one")
    readable, writable = os.pipe()
    with os.fdopen(readable, "rb"):
        with os.fdopen(writable, "wb") as pipe:
            pipe.write(b'\xef\xbb\xbf{"a": 1}')
        overrides = "endpoint.name=one", f"endpoint.request_file=/dev/fd/{readable}"
        # The checks must not read the pipe.
        assert not [*endpoint_faults(outputs.context(Stage.invoke, *overrides).config)]
        assert sent(outputs, *overrides[1:]) == {"a": 1}


def test_invoke_needs_a_request_for_a_model_without_an_example(outputs: RecordedOutputs) -> None:
    outputs.add(Stage.deploy, "one")
    with pytest.raises(ConfigError, match=r"^endpoint\.request_file: must be given, because"):
        sent(outputs, "endpoint=mlflow")
