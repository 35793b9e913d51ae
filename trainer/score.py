"""Score handwritten digits behind an Azure ML endpoint.

Azure ML's server calls `init()` once, and `run(raw_data)` for each request. A request is
`{"data": [[784 pixels from 0 to 255], ...]}`. The answer is a list of digits, such as `[7, 2]`.
With `"probabilities": true` in the request, the answer is an object with `digits` and
`probabilities`. The probabilities of a row are ten numbers, for the digits 0 to 9.

For a dense network, the trainer also saves the weights in a NumPy file beside the SavedModel. This
script computes the answers from these weights with NumPy. For any other network, the script imports
TensorFlow and loads the SavedModel.

A bad request raises `BadRequestError`. The text of this error is one line for the log. Azure ML's
server answers an exception of `run` with status 500, and continues to run. The endpoint replaces
this status: the client gets status 424. Do not let `run` return the text of an error instead: the
client would get status 200. Azure ML documents these rules for scripts:
https://learn.microsoft.com/azure/machine-learning/how-to-deploy-online-endpoints
"""

import os
from pathlib import Path
from typing import Any

from digits.scoring import Network, load_network, read_request


class _Model:
    """The network that `init` loads and `run` uses."""

    network: Network


def init() -> None:
    """Load the model from the folder in AZUREML_MODEL_DIR.

    Raises:
        FileNotFoundError: There is no model in that folder.
    """
    _Model.network = load_network(Path(os.environ["AZUREML_MODEL_DIR"]))


def run(raw_data: str | bytes) -> list[int] | dict[str, Any]:
    """Return the answer to a request.

    Args:
        raw_data: The body of the request.

    Returns:
        A digit for each row of pixels; with the probabilities if the request asks for them.

    Raises:
        BadRequestError: The body is not JSON, or does not contain rows of pixels.
    """
    request, network = read_request(raw_data), _Model.network
    scores = network.scores(request.pixels)
    digits: list[int] = scores.argmax(axis=1).tolist()
    if not request.wants_probabilities:
        return digits
    return {"digits": digits, "probabilities": network.probabilities(scores).tolist()}
