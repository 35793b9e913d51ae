"""Examples of requests to a deployment, from the files of the deployed model.

The trainer saves a request beside its model. MLflow saves the input example of a model as a request
for MLflow's own server. The server of an Azure ML endpoint needs another format:
https://learn.microsoft.com/azure/machine-learning/how-to-deploy-mlflow-models-online-endpoints
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mnist_exp.config import ModelType
from mnist_exp.errors import JobError, MnistExpError
from mnist_exp.records import write_json
from mnist_exp.stages.context import StageContext

#: File in the run folder of `stage=deploy` with the example of a request.
REQUEST_NAME = "request.json"
#: File in the folder of an MLflow model, if the model was saved with `input_example`.
_MLFLOW_EXAMPLE = "serving_input_example.json"
#: File that the trainer writes beside the model.
_EXAMPLE = "input_example.json"
#: The keys that contain the input in a request to MLflow's server. Azure ML accepts the same input
#: below the key `input_data`.
_INPUTS = ("dataframe_split", "dataframe_records", "inputs", "instances")


def example_request(context: StageContext, model: Mapping[str, Any]) -> Path | None:
    """Return a file with an example of a request body; None if the model has no example.

    For an MLflow model without a scoring script, write the model's input example into the run
    folder, in Azure's format. `stage=invoke` sends this file.
    """
    reference = f"{model['name']}:{model['version']}"
    is_mlflow = model.get("type") == ModelType.mlflow_model
    if context.config.endpoint.deployment.scoring_script is not None:
        # The example of an MLflow model has a format that the scoring script may not accept. If the
        # user has an example, do not download the model from Azure.
        has_own = context.config.endpoint.request_file is not None
        return None if is_mlflow or has_own else _model_file(context, reference, _EXAMPLE)
    example = _model_file(context, reference, _MLFLOW_EXAMPLE)
    body = request_body(example) if example else None
    if body is None:
        return None
    write_json(context.folder / REQUEST_NAME, body)
    return context.folder / REQUEST_NAME


def _model_file(context: StageContext, model: str, path: str) -> Path | None:
    try:
        return context.workspace.model_file(model, path)
    except MnistExpError as error:
        # A model can be deployed without an example.
        context.display.message(f"warning: the example of a request cannot be read: {error}")
        return None


def example_body(example: Path | None) -> bytes | None:
    """Return the request body in a file with an example; None if there is no example.

    Raises:
        JobError: The file cannot be read.
    """
    try:
        return example.read_bytes() if example is not None else None
    except OSError as error:
        raise JobError(f"{example}: the example of a request cannot be read ({error})") from error


def request_body(example_file: Path) -> dict[str, Any] | None:
    """Return the request with a model's input example; None if the example is not valid.

    Args:
        example_file: The file `serving_input_example.json` in the folder of the MLflow model.
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
