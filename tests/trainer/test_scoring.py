import json

import numpy as np
import pytest

from digits import scoring

ROW = [0] * 784


def row(pixel) -> list:
    return [*ROW[:-1], pixel]


def body(*rows) -> str:
    return json.dumps({"data": rows})


def test_whole_and_broken_numbers_are_pixels():
    assert scoring.read_request(body(ROW, row(255))).pixels.tolist() == [ROW, row(255)]
    assert scoring.read_request(body(row(0.5), row(7))).pixels[:, -1].tolist() == [0.5, 7.0]
    assert scoring.read_request(body(row(1e-3))).pixels[0, -1] == np.float32(1e-3)


def test_bytes_are_read_as_text_is():
    assert scoring.read_request(body(row(3)).encode()).pixels.tolist() == [row(3)]


@pytest.mark.parametrize(
    ("request_body", "fault"),
    [
        ("", "must be JSON"),
        ("no json", "must be JSON"),
        ("[" * 100_000, "must be JSON"),
        ("[[1]]", 'object with the key "data", and .* got list'),
        ('{"rows": []}', r'the key "data", and .* got the keys \[\'rows\'\]'),
        ('{"data": [], "more": 1}', r"got the keys \['data', 'more'\]"),
        ('{"data": []}', "one or more rows, got an empty list"),
        ('{"data": 7}', "must be a list of one or more rows, got int"),
        ('{"data": "7"}', "must be a list of one or more rows, got str"),
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
def test_a_bad_request_is_an_error_of_one_line(request_body, fault, reader, monkeypatch):
    if reader == "json":
        monkeypatch.setattr(scoring, "_loads", json.loads)
    with pytest.raises(scoring.BadRequestError, match=fault) as caught:
        scoring.read_request(request_body)
    assert "\n" not in str(caught.value)


def test_probabilities_are_asked_for_by_a_key():
    assert not scoring.read_request(body(ROW)).wants_probabilities
    assert scoring.read_request(
        json.dumps({"data": [ROW], "probabilities": True})
    ).wants_probabilities
    with pytest.raises(
        scoring.BadRequestError, match='"probabilities" must be true or false, got 1'
    ):
        scoring.read_request(json.dumps({"data": [ROW], "probabilities": 1}))


def test_logits_become_probabilities():
    logits = np.array([[0, np.log(3)], [1000, 0]], np.float32)
    network = scoring.Network(lambda pixels: logits, has_logits=True)
    assert network.probabilities(logits).tolist() == [pytest.approx([0.25, 0.75]), [1, 0]]
    assert scoring.Network(network.scores, has_logits=False).probabilities(logits) is logits
