"""An MLflow model behind an endpoint, without a scoring script."""

import subprocess
import sys
from collections.abc import Iterator

import pytest

from mnist_exp.config import EnvConfig, EnvType, RequestSettingsConfig
from mnist_exp.specs import DeploymentSpec, EndpointSpec
from mnist_exp.workspaces.local.endpoints import Endpoints, ModelFiles
from tests.support.scoring_service import NAME, Service

#: Saves a model in a process of its own, so that only that process imports MLflow. The model adds
#: the columns of a table, and returns how many of the named modules its process has imported.
SAVES = """
import sys
import mlflow, pandas

class Sums(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        import sys
        params = params or {}
        if name := params.get("count_modules"):
            return pandas.DataFrame({"sum": [sum(m.split(".")[0] == name for m in sys.modules)]})
        sums = pandas.DataFrame(model_input).sum(axis=1)
        return (sums * params.get("factor", 1)).to_frame("sum")

table = pandas.DataFrame({"a": [1.0], "b": [2.0]})
signature = mlflow.models.infer_signature(
    table, table, params={"factor": 1, "count_modules": ""}
)
mlflow.pyfunc.save_model(sys.argv[1], python_model=Sums(), signature=signature,
    pip_requirements=[])
"""


@pytest.fixture(scope="module")
def sums(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("mlflow")
    (folder / "gate").mkdir()
    model = folder / "my model"
    command = [sys.executable, "-W", "ignore", "-c", SAVES, str(model)]
    subprocess.run(command, check=True, capture_output=True, cwd=folder)
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


@pytest.mark.parametrize(
    ("body", "answer"),
    [
        (
            '{"input_data": {"columns": ["a", "b"], "index": [0, 1], "data": [[1, 2], [3, 4]]}}',
            [3, 7],
        ),
        ('{"input_data": {"columns": ["b", "a"], "data": [[1, 2]]}}', [3]),
        ('{"input_data": {"a": [1, 2], "b": [3, 4]}}', [4, 6]),
        ('{"input_data": {"columns": ["a", "b"], "data": [[1, 2]]}, "params": {"factor": 2}}', [6]),
    ],
)
def test_requests_in_the_format_of_azure(sums: Service, body: str, answer: list[float]):
    reply = sums.score(body)
    assert reply.status_code == 200, reply.text
    assert [row["sum"] for row in reply.json()] == answer


@pytest.mark.parametrize("body", ["", "[]", '{"data": [[1, 2]]}', '{"input_data": {"c": [1]}}'])
def test_another_request_is_424(sums: Service, body: str):
    assert sums.score(body).status_code == 424


def test_the_worker_imports_mlflow_without_azure_and_without_a_warning(sums: Service):
    def count_of(package: str) -> int:
        table = '{"columns": ["a", "b"], "data": [[1, 2]]}'
        body = f'{{"input_data": {table}, "params": {{"count_modules": "{package}"}}}}'
        (row,) = sums.score(body).json()
        return int(row["sum"])

    assert count_of("mlflow") > 0
    assert count_of("azure") == 0
    log = sums.log.read_text()
    assert "Warning" not in log[: log.index("init() has returned")]
