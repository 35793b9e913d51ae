"""Functions that write the results of a run to ./outputs.

outputs/model/                            the SavedModel; serving_default is its signature
outputs/model/assets.extra/dense.npz      the weights of a dense network, for scoring with NumPy
outputs/model/input_example.json          an example of a request to the endpoint
outputs/evaluation.json                   the test accuracy, the confusion matrix and the speed
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from digits import CLASSES, PIXEL_SCALE
from digits.compute import UNSEEN, ComputePath
from digits.data import Digits
from digits.files import replaced_file, replaced_folder

_EXAMPLE_ROWS = 3

Evaluation = dict[str, Any]


def evaluate(path: ComputePath, test: Digits) -> Evaluation:
    """Predict every test digit, and return the test accuracy and the confusion matrix.

    Returns:
        A dictionary with the keys `test_acc`, `test_count`, `classes` and `confusion_matrix`. Each
        row of the matrix is a true digit, and each column is a predicted digit.
    """
    predictions = path.predict(test.images)
    pairs = test.labels.astype(np.int64) * CLASSES + predictions
    cells = np.bincount(pairs[predictions != UNSEEN], minlength=CLASSES * CLASSES)
    return {
        "test_acc": float(np.mean(predictions == test.labels)),
        "test_count": len(test),
        "classes": list(range(CLASSES)),
        "confusion_matrix": cells.reshape(CLASSES, CLASSES).tolist(),
    }


def export_evaluation(evaluation: Evaluation, outputs: Path) -> None:
    """Write `evaluation.json`."""
    with replaced_file(outputs / "evaluation.json") as new:
        new.write_text(json.dumps(evaluation) + "\n", encoding="utf-8")


def export_model(path: ComputePath, test: Digits, outputs: Path) -> None:
    """Write the folder `model`. If an error occurs, an existing model stays unchanged.

    Args:
        path: The trained network.
        test: The test digits. The first three images are saved as the input example.
        outputs: The folder in which `model` is created or replaced.

    Raises:
        OSError: The disk is full or the folder is not writable.
    """
    with replaced_folder(outputs / "model") as folder:
        _save(path, folder)
        example = {"data": test.images[:_EXAMPLE_ROWS].tolist()}
        (folder / "input_example.json").write_text(json.dumps(example) + "\n", encoding="utf-8")
        if weights := path.dense_weights():
            extra = folder / "assets.extra"
            extra.mkdir()
            kinds = ("kernel", "bias")
            arrays: dict[str, Any] = {
                f"{kinds[i % 2]}_{i // 2}": weight for i, weight in enumerate(weights)
            }
            np.savez(extra / "dense.npz", scale=np.float32(PIXEL_SCALE), **arrays)


def _save(path: ComputePath, folder: Path) -> None:
    module = path.serving()
    try:
        tf.saved_model.save(module, str(folder), signatures={"serving_default": module.serve})
    except tf.errors.OpError as error:
        # If the disk is full, TensorFlow raises an OpError, not an OSError. The message of the
        # OpError begins with names of operations, which users do not need.
        reason = error.message.rpartition("; ")[2].partition(" [Op:")[0]
        raise OSError(f"{folder.parent}: the model cannot be saved: {reason}") from error
