"""NumPy's scores against those of the SavedModel, for every dense network in `conf/model`."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

import score
from digits.compute import Progress
from digits.data import Digits, load, split
from digits.export import evaluate, export_model
from digits.networks import Architecture, Optimizer
from digits.run import choose_path
from digits.settings import Settings
from digits.training import epoch_order
from tests.support.configs import fresh_config
from tests.support.paths import CONF

#: Largest difference of two probabilities of a digit.
TOLERANCE = 1e-5
#: Digits in a request, whose limit is 10 MB.
ROWS = 1000


def dense_options() -> list[str]:
    names = sorted(file.stem for file in (CONF / "model").glob("*.yaml"))
    return [
        name
        for name in names
        if fresh_config("stage=train", f"model={name}").model.architecture == "dnn"
    ]


def model_settings(option: str, folder: Path) -> Settings:
    """Return the trainer's settings for `model=<option>`."""
    model = fresh_config("stage=train", f"model={option}").model
    return replace(
        Settings(folder),
        batch_size=model.batch_size,
        first_layer_neurons=model.first_layer_neurons,
        second_layer_neurons=model.second_layer_neurons,
        learning_rate=model.learning_rate,
        architecture=Architecture(model.architecture),
        optimizer=Optimizer(model.optimizer),
    )


def check(option: str, data: Path, outputs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Train for an epoch, export, and compare the scores of every digit."""
    digits, test = load(data)
    settings = model_settings(option, data)
    training = split(digits, test, 0.1, settings.seed).training
    path = choose_path(settings, training, None)
    steps = len(training) // settings.batch_size
    path.train(epoch_order(settings.seed, 1, len(training)), Progress(), steps)
    export_model(path, test, outputs)
    monkeypatch.setenv("AZUREML_MODEL_DIR", str(outputs))
    score.init()
    serve = tf.saved_model.load(str(outputs / "model")).signatures["serving_default"]
    for part in (digits, test):
        check_digits(part, serve)
    predicted = scored(test)
    assert np.array_equal(predicted, path.predict(test.images))
    assert np.mean(predicted == test.labels) == evaluate(path, test)["test_acc"]


def check_digits(digits: Digits, serve) -> None:
    for start in range(0, len(digits), ROWS):
        pixels = digits[start : start + ROWS].images.astype(np.float32)
        expected = serve(pixels=tf.constant(pixels))["probabilities"].numpy()
        found = tf.nn.softmax(score._Model.network.scores(pixels)).numpy()
        assert np.abs(found - expected).max() < TOLERANCE


def scored(digits: Digits) -> np.ndarray:
    """Return the answers of `run`, a part of the digits at a time."""
    answers: list[int] = []
    for start in range(0, len(digits), ROWS):
        rows = digits.images[start : start + ROWS].tolist()
        answers += score.run(json.dumps({"data": rows}))
    return np.array(answers)


def test_there_are_dense_options():
    assert {"tutorial", "small", "wide", "dnn_300_100"} <= set(dense_options())


@pytest.mark.parametrize("option", dense_options())
def test_numpy_scores_all_sample_digits_as_the_saved_model(option, sample, tmp_path, monkeypatch):
    check(option, sample, tmp_path, monkeypatch)


@pytest.mark.soak
@pytest.mark.parametrize("option", dense_options())
def test_numpy_scores_all_of_mnist_as_the_saved_model(option, mnist, tmp_path, monkeypatch):
    check(option, mnist, tmp_path, monkeypatch)
