"""Score handwritten digits behind an Azure ML endpoint: `init()` once, `run(raw_data)` each time.

A request is `{"data": [[784 pixels from 0 to 255], ...]}`, and its answer a list of digits such as
`[7, 2]`. NumPy computes a dense network from the weights that the trainer saved beside the
SavedModel. TensorFlow is imported only for other networks.

A bad request raises `BadRequestError`, whose text is one line for the log. Azure's server turns
every exception of `run` into status 500 for the endpoint, which is 424 for the client, and keeps
running. Do not return the text of an error instead: the client would see a success. The contract:
https://learn.microsoft.com/azure/machine-learning/how-to-deploy-online-endpoints
"""

import os
from pathlib import Path

from digits.scoring import Network, load_network, pixels_of


class _Model:
    """The network that `init` loads and `run` uses."""

    network: Network


def init() -> None:
    """Load the model from the folder in AZUREML_MODEL_DIR.

    Raises:
        FileNotFoundError: There is no model in that folder.
    """
    _Model.network = load_network(Path(os.environ["AZUREML_MODEL_DIR"]))


def run(raw_data: str | bytes) -> list[int]:
    """Answer a request.

    Args:
        raw_data: The request's body.

    Returns:
        A digit for each row of pixels.

    Raises:
        BadRequestError: The model cannot take the request.
    """
    answers: list[int] = _Model.network(pixels_of(raw_data)).argmax(axis=1).tolist()
    return answers
