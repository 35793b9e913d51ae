import json
from datetime import date

import numpy as np
import pytest

from mnist_exp.serving.result_json import dumps


@pytest.mark.parametrize("result", [{"a": [1, 2.5, None, True]}, "text", [], 0, {"1": "é"}])
def test_a_result_that_json_can_express_comes_back_equal(result: object):
    assert json.loads(dumps(result)) == result


def test_numpy_is_encoded_and_not_a_number_becomes_null():
    assert dumps([np.int32(1), np.bool_(True), np.ones((2, 1))]) == b"[1,true,[[1.0],[1.0]]]"
    assert dumps([float("nan"), float("inf")]) == b"[null,null]"


def test_without_orjson_results_are_the_same(monkeypatch: pytest.MonkeyPatch):
    result = {"a": [np.float32(0.5), np.int32(1), float("nan")], "é": [np.ones(2), None]}
    with_orjson = dumps(result)
    monkeypatch.setattr("mnist_exp.serving.result_json.orjson", None)
    assert dumps(result) == with_orjson
    with pytest.raises(TypeError):
        dumps(object())


def test_dates_are_iso_text():
    assert dumps(date(2026, 1, 2)) == b'"2026-01-02"'


@pytest.mark.parametrize("result", [object(), {1, 2}, b"bytes", 2**70, "\ud800"])
def test_a_result_that_json_cannot_express_is_a_type_error(result: object):
    with pytest.raises(TypeError):
        dumps(result)
