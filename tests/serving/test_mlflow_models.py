"""An MLflow model behind an endpoint, without a scoring script."""

import subprocess
import sys
from collections.abc import Iterator

import pytest

from mnist_exp.config import RequestSettingsConfig
from mnist_exp.specs import EndpointSpec
from mnist_exp.workspaces.local.endpoints import ModelFiles
from tests.serving.service import NAME, Service
from tests.support.scripted_endpoint import ScriptedEndpoint

#: Adds the columns of a table; saved in a process of its own, which alone imports MLflow.
SAVES = """
import sys
import mlflow, pandas

class Sums(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        sums = pandas.DataFrame(model_input).sum(axis=1)
        return (sums * (params or {}).get("factor", 1)).to_frame("sum")

table = pandas.DataFrame({"a": [1.0], "b": [2.0]})
signature = mlflow.models.infer_signature(table, table, params={"factor": 1})
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
    scripted = ScriptedEndpoint(folder)
    uri = scripted.endpoints.create_or_update(EndpointSpec(NAME)).scoring_uri
    spec = scripted.spec(
        scoring_script=None, code=None, request_settings=RequestSettingsConfig(60_000, 1)
    )
    try:
        scripted.endpoints.deploy(spec, ModelFiles(model, "sums", "1", "mlflow_model"))
        scripted.endpoints.create_or_update(EndpointSpec(NAME, traffic={"blue": 100}))
        yield Service(folder, scripted.endpoints, uri.removesuffix("/score"))
    finally:
        scripted.endpoints.delete(NAME)


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
def test_azures_request_format(sums: Service, body: str, answer: list[float]):
    reply = sums.score(body)
    assert reply.status_code == 200, reply.text
    assert [row["sum"] for row in reply.json()] == answer


@pytest.mark.parametrize("body", ["", "[]", '{"data": [[1, 2]]}', '{"input_data": {"c": [1]}}'])
def test_another_request_is_424(sums: Service, body: str):
    assert sums.score(body).status_code == 424
