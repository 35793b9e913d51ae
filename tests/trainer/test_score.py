import json
import subprocess
import sys

import numpy as np
import pytest

import score
from digits.scoring import BadRequestError

ROW = [0] * 784


def body(*rows) -> str:
    return json.dumps({"data": rows})


def write_dense(folder) -> None:
    """Write a network that answers with the value of the first pixel."""
    extra = folder / "assets.extra"
    extra.mkdir(parents=True)
    hidden, out = np.zeros((784, 1), np.float32), np.zeros((1, 10), np.float32)
    hidden[0, 0] = 255
    # Of the lines 2dx - dd, the line d = x is the highest at x.
    digits = np.arange(10, dtype=np.float32)
    out[0] = 2 * digits
    np.savez(
        extra / "dense.npz",
        scale=np.float32(1 / 255),
        kernel_0=hidden,
        bias_0=np.zeros(1, np.float32),
        kernel_1=out,
        bias_1=-(digits**2),
    )


@pytest.mark.parametrize("place", ["model", "."])
def test_scores_a_dense_network_without_tensorflow(tmp_path, trainer, place):
    write_dense(tmp_path / place)
    request = body(*([digit, *ROW[1:]] for digit in (7, 0, 3)))
    code = f"""
import score, sys
score.init()
print(score.run({request!r}), "tensorflow" in sys.modules)
"""
    result = subprocess.run(
        [sys.executable, "-c", code],
        cwd=trainer,
        env={"AZUREML_MODEL_DIR": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        check=True,
        text=True,
    )
    assert result.stdout == "[7, 0, 3] False\n"


def test_answers_after_a_bad_request(tmp_path, monkeypatch):
    write_dense(tmp_path)
    monkeypatch.setenv("AZUREML_MODEL_DIR", str(tmp_path))
    score.init()
    with pytest.raises(BadRequestError):
        score.run("rubbish")
    assert score.run(body([4, *ROW[1:]])) == [4]


def test_a_folder_without_a_model_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("AZUREML_MODEL_DIR", str(tmp_path))
    with pytest.raises(FileNotFoundError, match=f"no model in {tmp_path}"):
        score.init()


def test_the_answer_has_probabilities_if_the_request_asks_for_them(tmp_path, monkeypatch):
    write_dense(tmp_path)
    monkeypatch.setenv("AZUREML_MODEL_DIR", str(tmp_path))
    score.init()
    rows = [[digit, *ROW[1:]] for digit in (7, 0)]
    answer = score.run(json.dumps({"data": rows, "probabilities": True}))
    assert answer["digits"] == [7, 0]
    for digit, row in zip(answer["digits"], answer["probabilities"], strict=True):
        assert len(row) == 10
        assert sum(row) == pytest.approx(1)
        assert max(row) == row[digit]
    assert score.run(json.dumps({"data": rows, "probabilities": False})) == [7, 0]
