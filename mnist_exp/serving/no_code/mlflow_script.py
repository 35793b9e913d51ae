"""The scoring script for MLflow models that are deployed without a script of the user.

Azure ML calls such a deployment a no-code deployment.

A request is `{"input_data": ..., "params": {...}}`. `input_data` is a table
(`{"columns": [...], "index": [...], "data": [[...], ...]}`), a list, or an object with a list for
each named input. `params` is optional. The answer is the model's prediction as JSON. If the
prediction is a table, the answer is a list with one object for each row.
https://learn.microsoft.com/azure/machine-learning/how-to-deploy-mlflow-models-online-endpoints
"""

import json
import os
import sys
import warnings
from pathlib import Path
from typing import Any

# Hide MLflow's plugin for Azure. A local model does not need the plugin, but MLflow would import an
# installed plugin together with half of Azure's SDK, which takes long. The value None in
# sys.modules makes an import raise ModuleNotFoundError:
# https://docs.python.org/3/reference/import.html#the-module-cache
sys.modules.setdefault("azureml.mlflow", None)  # type: ignore[arg-type]
warnings.filterwarnings("ignore", "Failure attempting to register", UserWarning)

# ruff: noqa: E402
import numpy as np
import pandas as pd
from mlflow import pyfunc
from mlflow.utils.proto_json_utils import dataframe_from_parsed_json

_MODEL_FILE = "MLmodel"
_INPUT = "input_data"


class _Model:
    """Holder of the model that `init` loads and `run` uses."""

    loaded: Any = None


def init() -> None:
    """Load the model from the folder in AZUREML_MODEL_DIR.

    Raises:
        FileNotFoundError: The folder does not contain an MLflow model.
    """
    root = Path(os.environ["AZUREML_MODEL_DIR"])
    found = sorted(root.glob(f"*/{_MODEL_FILE}"))
    if not found:
        raise FileNotFoundError(f"no {_MODEL_FILE} below {root}: MLflow did not save this model")
    _Model.loaded = pyfunc.load_model(str(found[0].parent))


def run(raw_data: str) -> Any:
    """Return the model's predictions for a request.

    Raises:
        ValueError: The request is not an object with the key "input_data".
    """
    body = json.loads(raw_data)
    if not isinstance(body, dict) or _INPUT not in body:
        raise ValueError(f'the request must be an object with the key "{_INPUT}"')
    params = body.get("params") or None
    predicted = _Model.loaded.predict(_model_input(body[_INPUT]), params=params)
    return _answer(predicted)


def _model_input(given: Any) -> Any:
    schema = _Model.loaded.metadata.get_input_schema()
    if schema is not None and schema.is_tensor_spec():
        return _tensors(given, schema.inputs)
    if isinstance(given, dict) and {"columns", "data"} <= given.keys():
        table = {name: given[name] for name in ("columns", "index", "data") if name in given}
    else:
        table = pd.DataFrame(given).to_dict("split")
    # MLflow's own parser converts an integer in JSON to a floating-point number if the model needs
    # floating-point numbers.
    return dataframe_from_parsed_json(table, "split", schema)  # type: ignore[no-untyped-call]


def _tensors(given: Any, inputs: Any) -> Any:
    if isinstance(given, dict):
        types = {tensor.name: tensor.type for tensor in inputs}
        return {name: np.asarray(values, types.get(name)) for name, values in given.items()}
    return np.asarray(given, inputs[0].type)


def _answer(predicted: Any) -> Any:
    if isinstance(predicted, pd.DataFrame):
        return json.loads(predicted.to_json(orient="records"))
    if isinstance(predicted, pd.Series):
        return predicted.tolist()
    if isinstance(predicted, dict):
        return {name: np.asarray(values).tolist() for name, values in predicted.items()}
    return predicted.tolist() if isinstance(predicted, np.ndarray) else predicted
