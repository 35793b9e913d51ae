import json
import subprocess
import sys

import numpy as np
import pytest

import score

ROW = [0] * 784


def row(pixel) -> list:
    return [*ROW[:-1], pixel]


def body(*rows) -> str:
    return json.dumps({"data": rows})


def test_whole_and_broken_numbers_are_pixels():
    assert score.pixels_of(body(ROW, row(255))).tolist() == [ROW, row(255)]
    assert score.pixels_of(body(row(0.5), row(7)))[:, -1].tolist() == [0.5, 7.0]
    assert score.pixels_of(body(row(1e-3)))[0, -1] == np.float32(1e-3)


def test_bytes_are_read_as_text_is():
    assert score.pixels_of(body(row(3)).encode()).tolist() == [row(3)]


@pytest.mark.parametrize(
    ("request_body", "fault"),
    [
        ("", "must be JSON"),
        ("no json", "must be JSON"),
        ("[" * 100_000, "must be JSON"),
        ("[[1]]", 'object with the one key "data", got list'),
        ('{"rows": []}', r'the one key "data", got the keys \[\'rows\'\]'),
        ('{"data": [], "more": 1}', r"got the keys \['data', 'more'\]"),
        ('{"data": []}', "one or more, got an empty list"),
        ('{"data": 7}', "must be a list of rows, one or more, got int"),
        ('{"data": "7"}', "must be a list of rows, one or more, got str"),
        ('{"data": [7]}', "row 0 must be a list, got int"),
        (body(ROW, ROW[:-1]), "row 1 must hold 784 pixels, got 783"),
        (body(ROW, [*ROW, 0]), "row 1 must hold 784 pixels, got 785"),
        (body(row("7")), 'row 0, pixel 783 must be a number, got "7"'),
        (body([ROW] * 784), r"row 0, pixel 0 must be a number, got \[0"),
        (body([[1]] * 784), r"row 0, pixel 0 must be a number, got \[1\]"),
        (body([[]] * 784), r"row 0, pixel 0 must be a number, got \[\]"),
        (body(row(None)), "row 0, pixel 783 must be a number, got null"),
        (body(row(True)), "row 0, pixel 783 must be a number, got true"),
        (body(row([7])), r"row 0, pixel 783 must be a number, got \[7\]"),
        (body(ROW, row(-1)), "row 1, pixel 783 must be 0 to 255, got -1"),
        (body(ROW, row(256)), "row 1, pixel 783 must be 0 to 255, got 256"),
        (body(row(255.5)), "row 0, pixel 783 must be 0 to 255, got 255.5"),
        (body(row(10**25)), "row 0, pixel 783 must be 0 to 255, got 1"),
        (body(row(float("nan"))), "must be JSON|must be 0 to 255, got nan"),
        (body(row(float("inf"))), "must be JSON|must be 0 to 255, got inf"),
    ],
)
@pytest.mark.parametrize("reader", ["orjson", "json"])
def test_a_bad_request_is_told_what_is_wrong_in_one_line(request_body, fault, reader, monkeypatch):
    if reader == "json":
        monkeypatch.setattr(score, "_loads", json.loads)
    with pytest.raises(score.BadRequestError, match=fault) as caught:
        score.pixels_of(request_body)
    assert "\n" not in str(caught.value)


def write_dense(folder) -> None:
    """A network that answers with the value of the first pixel."""
    extra = folder / "assets.extra"
    extra.mkdir(parents=True)
    hidden, out = np.zeros((784, 1), np.float32), np.zeros((1, 10), np.float32)
    hidden[0, 0] = 255
    # Of the lines 2dx - dd the highest at x is that of d = x.
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


def test_lives_on_after_a_bad_request(tmp_path, monkeypatch):
    write_dense(tmp_path)
    monkeypatch.setenv("AZUREML_MODEL_DIR", str(tmp_path))
    score.init()
    with pytest.raises(score.BadRequestError):
        score.run("rubbish")
    assert score.run(body([4, *ROW[1:]])) == [4]


def test_a_folder_without_a_model_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("AZUREML_MODEL_DIR", str(tmp_path))
    with pytest.raises(FileNotFoundError, match=f"no model in {tmp_path}"):
        score.init()
