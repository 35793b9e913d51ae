"""Functions that read requests to an endpoint and compute the answers.

NumPy computes dense networks. TensorFlow is imported only for other networks, because an Azure ML
inference image contains neither TensorFlow nor Keras.
"""

import importlib.util
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from digits import PIXELS

#: Maximum value of a pixel in a request.
_BRIGHTEST = 255
#: Path of a dense network's weights in the folder of its model.
_DENSE_WEIGHTS = Path("assets.extra", "dense.npz")

Floats = npt.NDArray[np.float32]
#: The keys of a request.
_KEYS = {"data", "probabilities"}


@dataclass(frozen=True)
class Network:
    """A network that scores images.

    Attributes:
        scores: A function from pixels (rows, 784) to scores (rows, 10). The digit with the highest
            score is the prediction.
        has_logits: Whether the scores are logits. Otherwise the scores are probabilities.
    """

    scores: Callable[[Floats], Floats]
    has_logits: bool

    def probabilities(self, scores: Floats) -> Floats:
        """Return the probabilities (rows, 10) that belong to scores."""
        if not self.has_logits:
            return scores
        # Without this subtraction, `exp` could be infinite. The result is the same.
        powers = np.exp(scores - scores.max(axis=1, keepdims=True))
        shares: Floats = powers / powers.sum(axis=1, keepdims=True)
        return shares


@dataclass(frozen=True)
class Request:
    """The content of a request.

    Attributes:
        pixels: (rows, 784) pixels from 0 to 255.
        wants_probabilities: Whether the answer contains the probabilities of the ten digits.
    """

    pixels: Floats
    wants_probabilities: bool


_loads: Callable[[Any], Any] = json.loads
if importlib.util.find_spec("orjson"):
    from orjson import loads as _loads  # four times as fast as json


class BadRequestError(ValueError):
    """The body of a request is not valid. The message contains the reason."""


def load_network(root: Path) -> Network:
    """Load the model from the folder `root/model` or from the folder `root`.

    Raises:
        FileNotFoundError: Neither folder contains a model.
    """
    # If a model was registered from the folder outputs/model, its files are in the folder
    # root/model.
    for folder in (root / "model", root):
        weights = folder / _DENSE_WEIGHTS
        if weights.is_file():
            return _dense_network(weights)
        if (folder / "saved_model.pb").is_file():
            return _saved_network(folder)
    raise FileNotFoundError(f"no model in {root} or in {root}/model")


def read_request(raw_data: str | bytes) -> Request:
    """Read and check a request's body.

    Raises:
        BadRequestError: The body is not JSON, or does not contain rows of pixels.
    """
    try:
        body = _loads(raw_data)
    except (ValueError, TypeError, RecursionError) as error:
        raise BadRequestError(f"the request must be JSON: {error}") from error
    if not isinstance(body, dict) or "data" not in body or body.keys() - _KEYS:
        found = f"the keys {sorted(body)}" if isinstance(body, dict) else type(body).__name__
        raise BadRequestError(
            'the request must be an object with the key "data", and optionally the key '
            f'"probabilities", got {found}'
        )
    wanted = body.get("probabilities", False)
    if not isinstance(wanted, bool):
        raise BadRequestError(
            f'"probabilities" must be true or false, got {json.dumps(wanted)[:40]}'
        )
    return Request(_pixels(raw_data, body["data"]), wanted)


def _pixels(raw_data: str | bytes, rows: Any) -> Floats:
    _check_shape(rows)
    # A pixel must not be true or false. Python treats these two values as the numbers 1 and 0, so
    # only a check of the types finds them. This check is slow, but is needed only if the body
    # contains the letter "e", because the words true and false contain this letter. A body with
    # only the key "data" and numbers rarely contains the letter. Searching for the letter is a
    # hundred times faster than the check.
    text_like = raw_data.encode() if isinstance(raw_data, str) else raw_data
    if b"e" in text_like:
        _check_types(rows)
    try:
        # bytes() is four times faster than NumPy, but accepts only integers from 0 to 255.
        values = np.frombuffer(b"".join(map(bytes, rows)), np.uint8).reshape(len(rows), PIXELS)
    except (ValueError, TypeError):
        values = _fractional(rows)
    return values.astype(np.float32)


def _check_shape(rows: Any) -> None:
    if not isinstance(rows, list) or not rows:
        found = "an empty list" if rows == [] else type(rows).__name__
        raise BadRequestError(f'"data" must be a list of one or more rows, got {found}')
    for number, row in enumerate(rows):
        if not isinstance(row, list):
            raise BadRequestError(f"row {number} must be a list, got {type(row).__name__}")
        if len(row) != PIXELS:
            raise BadRequestError(f"row {number} must hold {PIXELS} pixels, got {len(row)}")


def _check_types(rows: list[list[Any]]) -> None:
    for number, row in enumerate(rows):
        if odd := set(map(type, row)) - {int, float}:
            pixel = next(index for index, value in enumerate(row) if type(value) in odd)
            raise BadRequestError(
                f"row {number}, pixel {pixel} must be a number, got {json.dumps(row[pixel])[:40]}"
            )


def _fractional(rows: list[list[Any]]) -> npt.NDArray[Any]:
    try:
        # Do not give a dtype here. With a dtype, NumPy would convert text to numbers and null to
        # NaN.
        values = np.array(rows)
        numeric = values.ndim == 2 and values.dtype.kind in "iuf"
    except ValueError:
        numeric = False
    if not numeric:
        _check_types(rows)
    # Every comparison with NaN is false. The condition `not ... >= 0` therefore also finds NaN.
    if not numeric or not (values.min() >= 0 and values.max() <= _BRIGHTEST):
        number, pixel = next(
            (number, pixel)
            for number, row in enumerate(rows)
            for pixel, value in enumerate(row)
            if not 0 <= value <= _BRIGHTEST
        )
        raise BadRequestError(
            f"row {number}, pixel {pixel} must be 0 to {_BRIGHTEST}, got {rows[number][pixel]}"
        )
    return values


def _dense_network(file: Path) -> Network:
    with np.load(file) as arrays:
        layers = [
            (arrays[f"kernel_{number}"], arrays[f"bias_{number}"])
            for number in range(sum(name.startswith("kernel_") for name in arrays))
        ]
        first_kernel, first_bias = layers[0]
        layers[0] = (first_kernel * arrays["scale"], first_bias)

    def network(values: Floats) -> Floats:
        for number, (kernel, bias) in enumerate(layers):
            values = values @ kernel + bias
            if number < len(layers) - 1:
                np.maximum(values, 0, out=values)
        return values

    return Network(network, has_logits=True)


def _saved_network(folder: Path) -> Network:
    # Import TensorFlow only in this function. An Azure ML inference image does not contain
    # TensorFlow, so an import at the top of this module would fail there.
    import tensorflow as tf  # noqa: PLC0415

    loaded = tf.saved_model.load(str(folder))
    serve = loaded.signatures["serving_default"]
    (name,) = serve.structured_input_signature[1]

    def network(values: Floats) -> Floats:
        outputs: dict[str, Any] = serve(**{name: tf.constant(values)})
        probabilities: Floats = next(iter(outputs.values())).numpy()
        return probabilities

    # Keep a reference to the model. Without this reference, Python would delete the variables that
    # the function uses.
    network.model = loaded  # type: ignore[attr-defined]
    return Network(network, has_logits=False)
