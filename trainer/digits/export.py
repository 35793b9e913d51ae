"""What a run leaves in ./outputs: the model, ready to serve, and how well it did.

outputs/model/                            a SavedModel; serving_default takes pixels
outputs/model/assets.extra/dense.npz      a dense network's weights, for scoring by numpy alone
outputs/model/input_example.json          a request for the endpoint
outputs/evaluation.json                   test accuracy, confusion matrix, speed
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from digits.compute import UNSEEN, ComputePath
from digits.data import Digits
from digits.files import replaced_file, replaced_folder
from digits.idx import CLASSES
from digits.model import PIXEL_SCALE

_EXAMPLE_ROWS = 3

Evaluation = dict[str, Any]


def evaluate(path: ComputePath, test: Digits) -> Evaluation:
    """Looks at every test digit.

    Returns:
        `test_acc`, `test_count`, `classes`, and `confusion_matrix`: how often the digit of the
        row was taken for the digit of the column.
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
    """Writes `evaluation.json`."""
    with replaced_file(outputs / "evaluation.json") as aside:
        aside.write_text(json.dumps(evaluation) + "\n", encoding="utf-8")


def export_model(path: ComputePath, test: Digits, outputs: Path) -> None:
    """Writes the folder `model`, whole or not at all.

    Args:
        path: The trained network.
        test: The first of these digits become the input example.
        outputs: The folder to write to.

    Raises:
        OSError: The disk is full or the folder is not writable; an older model is as it was.
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
        # TensorFlow has words of its own for a full disk, behind the names of its parts.
        reason = error.message.rpartition("; ")[2].partition(" [Op:")[0]
        raise OSError(f"{folder.parent}: the model cannot be saved: {reason}") from error
