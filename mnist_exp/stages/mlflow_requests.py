"""Request bodies for an MLflow model that is deployed without a scoring script.

MLflow saves the input example of a model as a request for MLflow's own server. The server of an
Azure ML endpoint needs another format:
https://learn.microsoft.com/azure/machine-learning/how-to-deploy-mlflow-models-online-endpoints
"""

import json
from pathlib import Path
from typing import Any

#: File in the run folder of `stage=deploy` with the example of a request.
REQUEST_NAME = "request.json"
#: File in the folder of an MLflow model, if the model was saved with `input_example`.
EXAMPLE_NAME = "serving_input_example.json"
#: The keys that contain the input in a request to MLflow's server. Azure ML accepts the same input
#: below the key `input_data`.
_INPUTS = ("dataframe_split", "dataframe_records", "inputs", "instances")


def request_body(example_file: Path) -> dict[str, Any] | None:
    """Return the request with a model's input example; None if the example is not valid.

    Args:
        example_file: The file `EXAMPLE_NAME` in the folder of the MLflow model.
    """
    try:
        example = json.loads(example_file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    key = next((key for key in _INPUTS if isinstance(example, dict) and key in example), None)
    if key is None:
        return None
    params = {"params": example["params"]} if example.get("params") else {}
    return {"input_data": example[key], **params}
