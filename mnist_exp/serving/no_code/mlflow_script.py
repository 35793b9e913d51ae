"""Scores with a model that MLflow has saved: Azure ML's no-code deployment.

A request is `{"input_data": ..., "params": {...}}`. The input is a table
(`{"columns": [...], "index": [...], "data": [[...], ...]}`), a list, or an object with a list for
each named input; `params` may be left out. The answer is a list, of objects for a table's rows.
https://learn.microsoft.com/azure/machine-learning/how-to-deploy-mlflow-models-online-endpoints
"""

import json
import os
import sys
import warnings
from pathlib import Path
from typing import Any

# A model on this machine needs nothing of Azure: without this MLflow would load its plugin for
# Azure where it is installed, and half of Azure's SDK with it. None in sys.modules makes an import
# raise ModuleNotFoundError: https://docs.python.org/3/reference/import.html#the-module-cache
sys.modules.setdefault("azureml.mlflow", None)  # type: ignore[arg-type]
warnings.filterwarnings("ignore", "Failure attempting to register", UserWarning)

# ruff: noqa: E402
import numpy as np
import pandas as pd
from mlflow import pyfunc
from mlflow.utils.proto_json_utils import dataframe_from_parsed_json

MODEL_FILE = "MLmodel"
INPUT = "input_data"


class _Model:
    """What `init` loads and `run` uses."""

    loaded: Any = None


def init() -> None:
    """Load the model from the folder in AZUREML_MODEL_DIR.

    Raises:
        FileNotFoundError: There is no MLflow model in that folder.
    """
    root = Path(os.environ["AZUREML_MODEL_DIR"])
    found = sorted(root.glob(f"*/{MODEL_FILE}"))
    if not found:
        raise FileNotFoundError(f"no {MODEL_FILE} below {root}: not a model that MLflow has saved")
    _Model.loaded = pyfunc.load_model(str(found[0].parent))


def run(raw_data: str) -> Any:
    """Answer a request.

    Raises:
        ValueError: It is not what an MLflow deployment takes.
    """
    body = json.loads(raw_data)
    if not isinstance(body, dict) or INPUT not in body:
        raise ValueError(f'the request must be an object with the key "{INPUT}"')
    params = body.get("params") or None
    predicted = _Model.loaded.predict(_model_input(body[INPUT]), params=params)
    return _answer(predicted)


def _model_input(given: Any) -> Any:
    schema = _Model.loaded.metadata.get_input_schema()
    if schema is not None and schema.is_tensor_spec():
        return _tensors(given, schema.inputs)
    if isinstance(given, dict) and {"columns", "data"} <= given.keys():
        table = {name: given[name] for name in ("columns", "index", "data") if name in given}
    else:
        table = pd.DataFrame(given).to_dict("split")
    # MLflow's own reading: JSON's 1 is a 1.0 where the model takes numbers with a point.
    return dataframe_from_parsed_json(table, "split", schema)  # type: ignore[no-untyped-call]


def _tensors(given: Any, inputs: Any) -> Any:
    if isinstance(given, dict):
        types = {one.name: one.type for one in inputs}
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
