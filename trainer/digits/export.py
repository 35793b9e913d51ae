"""The results of a run in ./outputs: the saved model and its evaluation.

outputs/model/                            a SavedModel; serving_default takes pixels
outputs/model/assets.extra/dense.npz      a dense network's weights, for scoring with NumPy alone
outputs/model/input_example.json          a request for the endpoint
outputs/evaluation.json                   test accuracy, confusion matrix, speed
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
    """Predict every test digit.

    Returns:
        `test_acc`, `test_count`, `classes` and `confusion_matrix`. The matrix counts how often the
        digit of a row was taken for the digit of a column.
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
    """Write the folder `model` as a whole, or not at all.

    Args:
        path: The trained network.
        test: The first of these digits become the input example.
        outputs: The folder to write to.

    Raises:
        OSError: The disk is full or the folder is not writable; an older model is unchanged.
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
        # For a full disk TensorFlow raises its own error. Its message begins with names of ops.
        reason = error.message.rpartition("; ")[2].partition(" [Op:")[0]
        raise OSError(f"{folder.parent}: the model cannot be saved: {reason}") from error
