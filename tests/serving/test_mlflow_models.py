"""An MLflow model behind an endpoint, without a scoring script."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mnist_exp.config import EnvConfig, EnvType, RequestSettingsConfig
from mnist_exp.specs import DeploymentSpec, EndpointSpec
from mnist_exp.workspaces.local.endpoints import Endpoints, ModelFiles
from tests.support.paths import REPOSITORY
from tests.support.scoring_service import NAME, Service

#: Module that saves the models. Only its process imports MLflow.
SAVES = "tests.serving.no_code_models"
#: The expected answer of a request whose answer is status 500 on Azure.
ERROR = object()
TABLE = {"columns": ["a", "b", "c"], "index": [7], "data": [[1, 2, "x"]]}
TYPES = "{'a': 'float64', 'b': 'int64', 'c': 'object'}"
EXAMPLE = "{'a': 'float64', 'b': 'int64'}"
TIME = "{'t': 'datetime64[ns]'}"
STAMP = "[[1704067200000000000]]"
JSON = {"content-type": "application/json"}
ARRAYS = "{'x': ('float32', [[1.0, 2.0]]), 'y': ('float32', [3.0])}"
#: Predictions -> the answers of Azure ML's server with Azure ML's script.
PREDICTIONS = {
    "small": [{"p_value": 1.2e-11, "prob": 0.99999999999}],
    "float32": [{"p": 0.3333333432674408}],
    "types": [{"i": 2**63, "s": "é", "b": True}],
    "missing": [{"i": 1, "s": "a"}, {"i": None, "s": None}],
    "objects": [{"a": 1.5}, {"a": 2}],
    "duplicates": [{"a": 2}],
    "numbered": [{"0": 1, "1": 2}],
    "indexed": [{"a": 1}],
    "empty": [],
    "categories": [{"a": "x"}],
    "sparse table": [{"a": 0}, {"a": 2}],
    "series": [{"0": 1.5}, {"0": 1.2e-11}],
    "named series": [{"p": 1.5}],
    "array": [[1.0, 1.2e-11], [0.99999999999, 0.0]],
    "transposed": [[0, 2], [1, 3]],
    "scalar": 1.5,
    "records": [[1, 2.5]],
    "masked": [1, None],
    "list": [1, "a"],
    "object": {"a": [1, 2]},
    **dict.fromkeys(
        [
            *("timestamps", "time column", "durations", "dates", "decimals", "decimal list"),
            *("sparse", "bytes", "complex", "two headers"),
        ],
        ERROR,
    ),
}
#: Model, `input_data` -> the answer of Azure ML's server with Azure ML's script.
INPUTS: list[tuple[str, Any, Any]] = [
    ("any", [[1, 2]], ["int64", "[[1, 2]]"]),
    ("any", ["a"], ["str32", "['a']"]),
    ("any", TABLE, ["table", "{'a': 'int64', 'b': 'int64', 'c': 'object'}", "[[1, 2, 'x']]"]),
    ("any", {"x": [1.5], "y": 2}, ["{'x': ('float64', [1.5]), 'y': ('int64', 2)}"]),
    ("any", '{"x": [1]}', ["{'x': ('int64', [1])}"]),
    ("any", {"input_data": [1]}, ["int64", "[1]"]),
    ("any", "text", ERROR),
    ("any", None, ERROR),
    ("any", 5, ERROR),
    ("table", TABLE, ["table", TYPES, "[[1.0, 2, 'x']]"]),
    ("table", {**TABLE, "index": ["r"]}, ["table", TYPES, "[[1.0, 2, 'x']]"]),
    ("table", {"columns": [*"cba"], "data": [["x", 2, 1]]}, ["table", TYPES, "[[1.0, 2, 'x']]"]),
    (
        "table",
        {"columns": [*"abcd"], "data": [[1, 2, "x", 3]]},
        ["table", TYPES, "[[1.0, 2, 'x']]"],
    ),
    ("table", {"columns": ["a", "b"], "data": [[1, 2]]}, ERROR),
    ("table", {"columns": [*"abc"], "data": [[1, None, "x"]]}, ERROR),
    ("table", [{"a": 1, "b": 2, "c": "x"}], ERROR),
    ("table", {"a": [1], "b": [2], "c": ["x"]}, ERROR),
    ("table", [[1, 2, "x"]], ERROR),
    ("table", "text", ERROR),
    ("time", {"columns": ["t"], "data": [["2024-01-01"]]}, ["table", TIME, STAMP]),
    ("array", [[1, 2], [3, 4]], ["float32", "[[1.0, 2.0], [3.0, 4.0]]"]),
    ("array", [[1, 2, 3]], ERROR),
    ("array", [["a", "b"]], ERROR),
    ("array", {"x": [[1, 2]]}, ERROR),
    ("array", 5, ERROR),
    ("arrays", {"x": [[1, 2]], "y": [3], "z": [4]}, [ARRAYS]),
    ("arrays", {"x": [[1, 2]]}, ERROR),
    ("arrays", {"x": 1, "y": 2}, ERROR),
    ("arrays", [[1, 2]], ERROR),
    (
        "table example",
        {"columns": ["a", "b"], "data": [[1, 2]]},
        ["table", EXAMPLE, "[[1.0, 2.0]]"],
    ),
    ("table example", [[1, 2]], ERROR),
    ("array example", [[1, 2]], ["float64", "[[1.0, 2.0]]"]),
    ("array example", [[1, 2, 3]], ERROR),
    ("texts example", ["c"], ["table", "{0: 'object'}", "[['c']]"]),
]
ONE = {"columns": ["a"], "data": [[1]]}
#: More keys of a request -> the parameters of the model.
PARAMETERS: list[tuple[Any, Any]] = [
    ({}, "{'k': 5}"),
    ({"params": None}, "{'k': 5}"),
    ({"params": {}}, "{'k': 5}"),
    ({"params": {"k": 7}}, "{'k': 7}"),
    ({"params": {"unknown": 1}}, "{'k': 5}"),
    ({"params": {"k": "x"}}, ERROR),
    ({"params": []}, ERROR),
    ({"params": 5}, ERROR),
]
#: Models that Azure ML's script cannot load -> a part of the message.
REFUSED = {
    "nested": "does not support the inputs in the model's signature",
    "nested outputs": "does not support the outputs in the model's signature",
    "sequences": "does not support the inputs in the model's signature (negative dimensions",
    "object example": "the input example must contain arrays, but a is not an array",
}


#: All requests that the script answers in one process.
REQUESTS = [
    *(("predictions", {"input_data": [name]}) for name in PREDICTIONS),
    *((model, {"input_data": given}) for model, given, _ in INPUTS),
    *(("parameters", {"input_data": ONE, **more}) for more, _ in PARAMETERS),
    *((model, {"input_data": [[1]]}) for model in REFUSED),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("mlflow") / "a:b 5% #c? ä"
    folder.mkdir()
    return folder


@pytest.fixture(scope="module")
def answers(folder: Path) -> dict[str, dict[str, Any]]:
    """Save the models, and return the answers to `REQUESTS`."""
    command = [sys.executable, "-W", "ignore", "-m", SAVES, str(folder)]
    requests = [(model, json.dumps(body)) for model, body in REQUESTS]
    done = subprocess.run(
        command,
        input=json.dumps(requests),
        check=True,
        capture_output=True,
        text=True,
        cwd=REPOSITORY,
    )
    return dict(zip(map(str, requests), json.loads(done.stdout), strict=True))


def check(answers: dict[str, dict[str, Any]], model: str, body: object, expected: object) -> None:
    found = answers[str((model, json.dumps(body)))]
    if expected is ERROR:
        assert "error" in found, found
    else:
        assert found == {"answer": expected}


@pytest.mark.parametrize("name", PREDICTIONS)
def test_a_prediction_becomes_json_as_on_azure(answers: Any, name: str):
    check(answers, "predictions", {"input_data": [name]}, PREDICTIONS[name])


@pytest.mark.parametrize(("model", "given", "expected"), INPUTS)
def test_a_model_gets_the_input_that_it_gets_on_azure(
    answers: Any, model: str, given: Any, expected: Any
):
    check(answers, model, {"input_data": given}, expected)


@pytest.mark.parametrize(("more", "expected"), PARAMETERS)
def test_a_model_gets_the_parameters_that_it_gets_on_azure(answers: Any, more: Any, expected: Any):
    answer = expected if expected is ERROR else ["table", "{'a': 'float64'}", "[[1.0]]", expected]
    check(answers, "parameters", {"input_data": ONE, **more}, answer)


@pytest.mark.parametrize("model", REFUSED)
def test_a_model_that_azure_cannot_deploy_is_refused(answers: Any, model: str):
    error = answers[str((model, '{"input_data": [[1]]}'))]["error"]
    assert "Azure ML cannot deploy this model without a scoring script" in error
    assert REFUSED[model] in error


@pytest.fixture(scope="module")
def sums(folder: Path, answers: Any) -> Iterator[Service]:
    (folder / "gate").mkdir()
    model = folder / "my model" / "model"
    endpoints = Endpoints(folder / "endpoints")
    uri = endpoints.create_or_update(EndpointSpec(NAME)).scoring_uri
    assert uri
    spec = DeploymentSpec(
        name="blue",
        endpoint=NAME,
        model="sums:1",
        code=None,
        scoring_script=None,
        environment=EnvConfig(EnvType.local),
        instance_type="Standard_DS3_v2",
        request_settings=RequestSettingsConfig(60_000, 1),
    )
    try:
        endpoints.deploy(spec, ModelFiles(model, "sums", "1", "mlflow_model"))
        endpoints.create_or_update(EndpointSpec(NAME, traffic={"blue": 100}))
        yield Service(folder, endpoints, uri.removesuffix("/score"))
    finally:
        endpoints.delete(NAME)


def test_an_endpoint_answers_as_azure(sums: Service):
    table = '{"columns": ["b", "a"], "data": [[1, 2], [3, 4]]}'
    reply = sums.score(f'\ufeff{{"input_data": {table}, "params": {{"factor": 2}}}}', **JSON)
    assert (reply.status_code, reply.json()) == (200, [{"sum": 6.0}, {"sum": 14.0}])
    assert sums.score('{"input_data": {"c": [1]}}', **JSON).status_code == 424
    refused = sums.score(f'{{"input_data": {table}}}')
    assert refused.headers["ms-azureml-model-error-statuscode"] == "415"


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("", "POST body is empty"),
        ("{", "could not be decoded as JSON"),
        ("[]", "should be a JSON dictionary"),
        ("{}", "not provided for the 'input_data' parameter"),
        ('{"inputs": [[1, 2]]}', "not provided for the 'input_data' parameter"),
    ],
)
def test_a_request_without_input_data_is_told_why(sums: Service, body: str, why: str):
    reply = sums.score(body, **JSON)
    assert reply.headers["ms-azureml-model-error-statuscode"] == "400"
    assert why in reply.json()["message"]


def test_the_worker_imports_mlflow_without_azure_and_without_a_warning(sums: Service):
    def count_of(package: str) -> int:
        table = '{"columns": ["a", "b"], "data": [[1, 2]]}'
        body = f'{{"input_data": {table}, "params": {{"count_modules": "{package}"}}}}'
        (row,) = sums.score(body, **JSON).json()
        return int(row["sum"])

    assert count_of("mlflow") > 0
    assert count_of("azure") == 0
    log = sums.log.read_text()
    assert "Warning" not in log[: log.index("init() has returned")]
