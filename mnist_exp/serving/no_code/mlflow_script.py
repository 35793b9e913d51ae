"""The scoring script for MLflow models that are deployed without a script of the user.

Azure ML calls such a deployment a no-code deployment. This script reads requests and writes
answers as Azure ML's own script does:
https://github.com/Azure/azureml-assets/tree/main/assets/inference/environments/mlflow-py312-inference

A request is `{"input_data": ..., "params": {...}}`. `params` is optional. The model's input example
decides the form of `input_data`. Without an input example, the model's signature decides it.

| input example or signature | `input_data` | input of the model |
|---|---|---|
| a table | `{"columns": [...], "index": [...], "data": [[...]]}`, `index` is optional | a table |
| an array | a list | an array |
| named arrays | an object of lists | a dict of arrays |
| none | a list | an array |
| none | an object with `columns`, `index` and `data` | a table |
| none | any other object | a dict of arrays |

If the prediction is a table or a series, the answer is a list with one object for each row.
"""

import json
import logging
import os
import sys
import warnings
from collections.abc import Callable
from io import StringIO
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

_logger = logging.getLogger(__name__)

_MODEL_FILE = "MLmodel"


class _Model:
    """Holder of the model that `init` loads and `run` uses."""

    loaded: Any = None
    reader: Callable[[Any], Any]


def init() -> None:
    """Load the model from the folder in AZUREML_MODEL_DIR.

    Raises:
        FileNotFoundError: The folder does not contain an MLflow model.
        ValueError: Azure ML cannot deploy the model without a scoring script.
    """
    root = Path(os.environ["AZUREML_MODEL_DIR"])
    found = sorted(root.glob(f"*/{_MODEL_FILE}"))
    if not found:
        raise FileNotFoundError(f"no {_MODEL_FILE} below {root}: MLflow did not save this model")
    _Model.loaded = pyfunc.load_model(str(found[0].parent))
    _Model.reader = _reader(_sample(found[0].parent, _Model.loaded.metadata))


def run(input_data: Any, params: Any = None) -> Any:
    """Return the model's predictions for a request.

    Raises:
        ValueError: `input_data` or `params` does not have the form that the model needs.
    """
    if params is not None and _params_schema() is not None and not isinstance(params, dict):
        raise ValueError(f"params must be an object, got {type(params).__name__}")
    return _records(_Model.loaded.predict(_Model.reader(input_data), params=params))


def _params_schema() -> Any:
    return getattr(_Model.loaded.metadata.signature, "params", None)


def _sample(folder: Path, metadata: Any) -> Any:
    """Return an example of the model's input: a table, an array or a dict of arrays.

    The result is None if any input is possible.

    Raises:
        ValueError: Azure ML cannot deploy the model without a scoring script.
    """
    sample = _input_example(folder, metadata.saved_input_example_info)
    if metadata.signature is None:
        return sample
    if metadata.signature.outputs is not None:
        _sample_of("outputs", metadata.signature.outputs)
    if sample is None:
        sample = _sample_of("inputs", metadata.signature.inputs)
    return sample


def _input_example(folder: Path, info: Any) -> Any:
    if not info:
        return None
    try:
        example = json.loads((folder / info["artifact_path"]).read_text(encoding="utf-8"))
        if info["type"] == "dataframe":
            return _table(example, "split" if "columns" in example else "values")
        if info["type"] != "ndarray":
            return example
        inputs = example["inputs"]
        if isinstance(inputs, dict):
            return {name: np.asarray(values) for name, values in inputs.items()}
        return np.asarray(inputs)
    except Exception:
        _logger.warning("the model's input example cannot be read", exc_info=True)
        return None


def _sample_of(part: str, schema: Any) -> Any:
    """Return a table, an array or a dict of arrays with the types in a part of a signature."""
    try:
        if schema.is_tensor_spec():
            arrays = {tensor.name: _zeros(tensor) for tensor in schema.inputs}
            return arrays if schema.has_input_names() else next(iter(arrays.values()))
        types = dict(zip(schema.input_names(), schema.pandas_types(), strict=True))
        return pd.DataFrame(columns=list(types)).astype(types)
    except Exception as error:
        if part == "inputs" and not (schema.is_tensor_spec() or schema.has_input_names()):
            return None
        raise ValueError(
            f"Azure ML cannot deploy this model without a scoring script, because its script does "
            f"not support the {part} in the model's signature ({error}); set "
            "endpoint.deployment.scoring_script, or save the model with another signature"
        ) from error


def _zeros(tensor: Any) -> Any:
    # The first dimension of a batch is -1. Azure ML's script cannot start if another dimension is
    # variable, too.
    shape = [1, *tensor.shape[1:]] if tensor.shape[:1] == (-1,) else tensor.shape
    return np.zeros(shape, tensor.type)


def _reader(sample: Any) -> Callable[[Any], Any]:
    """Return the function that converts `input_data` to the input of the model."""
    if isinstance(sample, pd.DataFrame):
        types = sample.dtypes.to_dict()
        return lambda given: _typed_table(given, types)
    if isinstance(sample, np.ndarray):
        return lambda given: _array(given, sample.dtype)
    if isinstance(sample, dict):
        if odd := [name for name, values in sample.items() if not isinstance(values, np.ndarray)]:
            raise ValueError(
                "Azure ML cannot deploy this model without a scoring script, because the input "
                f"example must contain arrays, but {', '.join(map(str, odd))} is not an array; set "
                "endpoint.deployment.scoring_script, or save the model with another input example"
            )
        dtypes = {name: values.dtype for name, values in sample.items()}
        return lambda given: _arrays(given, dtypes)
    return _untyped


def _typed_table(given: Any, types: dict[Any, Any]) -> Any:
    if not isinstance(given, list | dict):
        raise ValueError(f"input_data must be a table, got {type(given).__name__}")
    table = _table(given, "split")
    return table.astype({name: types.get(name, object) for name in table.columns})


def _table(given: Any, orient: Any) -> Any:
    return pd.read_json(StringIO(json.dumps(given)), orient=orient, dtype=False)


def _array(given: Any, dtype: Any) -> Any:
    if not isinstance(given, list):
        raise ValueError(f"input_data must contain lists, got {type(given).__name__}")
    return np.array(given, dtype)


def _arrays(given: Any, dtypes: dict[str, Any]) -> Any:
    if not isinstance(given, dict):
        raise ValueError(f"input_data must be an object of lists, got {type(given).__name__}")
    return {
        name: _array(values, dtypes[name]) if name in dtypes else np.asarray(values)
        for name, values in given.items()
    }


def _untyped(given: Any) -> Any:
    if isinstance(given, str):
        given = json.loads(given)
    if "input_data" in given:
        given = given["input_data"]
    if isinstance(given, list):
        return np.asarray(given)
    if {"columns", "index", "data"} <= given.keys():
        return _table(given, "split")
    return {name: np.asarray(values) for name, values in given.items()}


def _records(predicted: Any) -> Any:
    """Return predictions with a list in place of each array and an object in place of each row.

    The numbers keep all their digits. As on Azure, other values are not converted. JSON has no
    timestamps, decimals and sparse matrices, so a request for such a prediction fails.
    """
    if isinstance(predicted, np.ndarray):
        return predicted.tolist()
    if isinstance(predicted, pd.Series):
        predicted = pd.DataFrame(predicted)
    return predicted.to_dict("records") if isinstance(predicted, pd.DataFrame) else predicted
