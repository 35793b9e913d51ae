"""Save MLflow models, and answer requests with the scoring script for models without a script.

    python no_code_models.py FOLDER < requests.json

`requests.json` is a list of pairs: the name of a model, and the body of a request. The output is a
list with `{"answer": ...}` or `{"error": message}` for each request.
"""

import datetime
import decimal
import json
import os
import runpy
import sys
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import scipy.sparse
from mlflow.models import ModelSignature, infer_signature
from mlflow.types.schema import Array, ColSpec, DataType, ParamSchema, ParamSpec, Schema, TensorSpec

from mnist_exp.serving.worker_process import MLFLOW_SCRIPT

_TIME = pd.Timestamp("2024-05-01 12:00")


class Sums(mlflow.pyfunc.PythonModel):
    """Adds the columns of a table.

    With the parameter `count_modules`, the model returns the number of imported modules of a
    package.
    """

    def predict(self, context: Any, model_input: Any, params: Any = None) -> Any:
        """Return a table with the column `sum`."""
        params = params or {}
        if name := params.get("count_modules"):
            return pd.DataFrame({"sum": [sum(m.split(".")[0] == name for m in sys.modules)]})
        sums = pd.DataFrame(model_input).sum(axis=1)
        return (sums * params.get("factor", 1)).to_frame("sum")


class Predictions(mlflow.pyfunc.PythonModel):
    """Returns the prediction whose name is in the request."""

    def predict(self, context: Any, model_input: Any, params: Any = None) -> Any:
        """Return a prediction."""
        return {
            "small": pd.DataFrame({"p_value": [1.2e-11], "prob": [0.99999999999]}),
            "float32": pd.DataFrame({"p": np.array([1 / 3], "float32")}),
            "types": pd.DataFrame({"i": np.array([2**63], "uint64"), "s": ["é"], "b": [True]}),
            "missing": pd.DataFrame({"i": pd.array([1, None], "Int64"), "s": ["a", None]}),
            "objects": pd.DataFrame({"a": [np.float32(1.5), np.int64(2)]}, dtype=object),
            "duplicates": pd.DataFrame([[1, 2]], columns=["a", "a"]),
            "numbered": pd.DataFrame([[1, 2]]),
            "indexed": pd.DataFrame({"a": [1]}, index=["x"]),
            "empty": pd.DataFrame(),
            "categories": pd.DataFrame({"a": pd.Categorical(["x"])}),
            "sparse table": pd.DataFrame({"a": pd.arrays.SparseArray([0, 2])}),
            "series": pd.Series([1.5, 1.2e-11]),
            "named series": pd.Series([1.5], name="p"),
            "array": np.array([[1.0, 1.2e-11], [0.99999999999, 0]]),
            "transposed": np.arange(4).reshape(2, 2).T,
            "scalar": np.array(1.5),
            "records": np.array([(1, 2.5)], [("a", "i4"), ("b", "f8")]),
            "masked": np.ma.array([1, 2], mask=[False, True]),
            "list": [1, "a"],
            "object": {"a": [1, 2]},
            "timestamps": pd.Series([_TIME]),
            "time column": pd.DataFrame({"t": [_TIME]}),
            "durations": pd.DataFrame({"t": [pd.Timedelta("1s")]}),
            "dates": pd.DataFrame({"t": [datetime.date(2024, 5, 1)]}),
            "decimals": pd.DataFrame({"a": [decimal.Decimal("1.10")]}),
            "decimal list": [decimal.Decimal("1.10")],
            "sparse": scipy.sparse.csr_matrix([[1, 0]]),
            "bytes": np.array([b"ab"]),
            "complex": np.array([1 + 2j]),
            "two headers": pd.DataFrame([[1]], columns=pd.MultiIndex.from_tuples([("a", "x")])),
        }[str(np.asarray(model_input).ravel()[0])]


class Echo(mlflow.pyfunc.PythonModel):
    """Returns the type and the values of its input."""

    def predict(self, context: Any, model_input: Any, params: Any = None) -> Any:
        """Return a list of texts."""
        if isinstance(model_input, pd.DataFrame):
            types = dict(zip(model_input, map(str, model_input.dtypes), strict=True))
            texts = ["table", str(types), str(model_input.to_numpy().tolist())]
        elif isinstance(model_input, dict):
            texts = [str({k: (v.dtype.name, v.tolist()) for k, v in model_input.items()})]
        else:
            texts = [model_input.dtype.name, str(model_input.tolist())]
        return np.array(texts if params is None else [*texts, str(params)])


def save_models(root: Path) -> None:
    """Save all models in the folder, one in each subfolder."""

    def save(name: str, model: Any, signature: Any = None, **more: Any) -> None:
        mlflow.pyfunc.save_model(
            str(root / name / "model"),
            python_model=model,
            signature=signature,
            pip_requirements=[],
            **more,
        )

    table = pd.DataFrame({"a": [1.0], "b": [2.0]})
    parameters = {"factor": 1, "count_modules": ""}
    save("my model", Sums(), infer_signature(table, table, params=parameters))
    save("predictions", Predictions())
    save("any", Echo())
    columns = [ColSpec("double", "a"), ColSpec("long", "b"), ColSpec("string", "c")]
    save("table", Echo(), ModelSignature(Schema(columns)))
    save("time", Echo(), ModelSignature(Schema([ColSpec("datetime", "t")])))
    save("array", Echo(), ModelSignature(Schema([_floats((-1, 2))])))
    save("arrays", Echo(), ModelSignature(Schema([_floats((-1, 2), "x"), _floats((-1,), "y")])))
    optional = ParamSchema([ParamSpec("k", "long", 5)])
    save("parameters", Echo(), ModelSignature(Schema(columns[:1]), params=optional))
    save("table example", Echo(), input_example=pd.DataFrame({"a": [1.5], "b": [2]}))
    save("array example", Echo(), input_example=np.array([[1.0, 2.0]]))
    save("texts example", Echo(), input_example=["a", "b"])
    # Azure ML cannot deploy these models.
    nested = Schema([ColSpec(Array(DataType.double), "v")])
    save("nested", Echo(), ModelSignature(nested))
    save("nested outputs", Echo(), ModelSignature(Schema(columns), outputs=nested))
    save("sequences", Echo(), ModelSignature(Schema([_floats((-1, -1))])))
    save("object example", Echo(), input_example={"a": [1.0]})


def _floats(shape: tuple[int, ...], name: str | None = None) -> TensorSpec:
    return TensorSpec(np.dtype("float32"), shape, name)


def answers(root: Path, requests: list[tuple[str, str]]) -> list[dict[str, Any]]:
    """Return `{"answer": ...}` or `{"error": message}` for each request."""
    scripts: dict[str, dict[str, Any]] = {}
    return [_answer(scripts, root / model, body) for model, body in requests]


def _answer(scripts: dict[str, dict[str, Any]], model: Path, body: str) -> dict[str, Any]:
    try:
        if model.name not in scripts:
            os.environ["AZUREML_MODEL_DIR"] = str(model)
            loaded = runpy.run_path(str(MLFLOW_SCRIPT))
            loaded["init"]()
            scripts[model.name] = loaded
        # Azure ML's server writes the result with this function.
        return {"answer": json.loads(json.dumps(scripts[model.name]["run"](**json.loads(body))))}
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"}


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    save_models(folder)
    print(json.dumps(answers(folder, json.load(sys.stdin))))
