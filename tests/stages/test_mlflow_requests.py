import json
from pathlib import Path
from typing import Any

import pytest

from mnist_exp.config import Stage
from mnist_exp.errors import ConfigError
from mnist_exp.stages.invoke import _request_file
from mnist_exp.stages.mlflow_requests import request_body
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


def test_invoke_sends_the_example_of_the_deployment(outputs: RecordedOutputs) -> None:
    context = outputs.context(Stage.invoke)
    assert _request_file(context, "e") is None
    outputs.add(Stage.deploy, "e")
    example = outputs.path.resolve() / "runs" / "001" / "request.json"
    example.write_text("{}")
    outputs.add(Stage.deploy, "another")
    assert _request_file(context, "e") == example
    own = outputs.context(Stage.invoke, "endpoint.request_file=/own.json")
    assert _request_file(own, "e") == Path("/own.json")


def test_invoke_needs_a_request_for_a_model_without_an_example(outputs: RecordedOutputs) -> None:
    outputs.add(Stage.deploy, "e")
    context = outputs.context(Stage.invoke, "endpoint=mlflow")
    with pytest.raises(ConfigError, match=r"^endpoint\.request_file: must be given, because"):
        _request_file(context, "e")
