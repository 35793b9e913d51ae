import json
from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf

import score
from digits.compute import Progress
from digits.export import evaluate, export_evaluation, export_model
from digits.networks import Architecture, Optimizer
from digits.run import choose_path
from digits.training import epoch_order


@pytest.fixture(scope="session", params=[Architecture.DNN, Architecture.CNN])
def exported(request, sample, parts, tmp_path_factory):
    """A trained network, and the folder that it was exported to."""
    from digits.settings import Settings  # noqa: PLC0415

    settings = replace(
        Settings(sample),
        architecture=request.param,
        optimizer=Optimizer.ADAM,
        learning_rate=0.001,
    )
    path = choose_path(settings, parts.training, None)
    path.train(epoch_order(1, 1, 3600), Progress(), 56)
    outputs = tmp_path_factory.mktemp("outputs")
    export_model(path, parts.test, outputs)
    export_evaluation(evaluate(path, parts.test), outputs)
    return path, outputs


def test_the_saved_model_takes_pixels_and_gives_probabilities(exported, parts):
    path, outputs = exported
    loaded = tf.saved_model.load(str(outputs / "model"))
    serve = loaded.signatures["serving_default"]
    pixels = tf.constant(parts.test.images, tf.float32)
    probabilities = serve(pixels=pixels)["probabilities"].numpy()
    assert probabilities.sum(axis=1) == pytest.approx(np.ones(1000), abs=1e-5)
    assert np.array_equal(probabilities.argmax(axis=1), path.predict(parts.test.images))


def test_score_agrees_with_the_evaluation_on_every_test_digit(exported, parts, monkeypatch):
    path, outputs = exported
    monkeypatch.setenv("AZUREML_MODEL_DIR", str(outputs))
    score.init()
    answers = score.run(json.dumps({"data": parts.test.images.tolist()}))
    assert answers == path.predict(parts.test.images).tolist()
    evaluation = json.loads((outputs / "evaluation.json").read_text())
    assert np.mean(np.array(answers) == parts.test.labels) == evaluation["test_acc"]


def test_only_a_dense_network_is_scored_by_numpy(exported):
    path, outputs = exported
    is_dense = path.dense_weights() is not None
    assert (outputs / "model" / "assets.extra" / "dense.npz").exists() == is_dense


def test_the_input_example_is_a_request(exported, monkeypatch):
    _, outputs = exported
    monkeypatch.setenv("AZUREML_MODEL_DIR", str(outputs))
    score.init()
    answers = score.run((outputs / "model" / "input_example.json").read_text())
    assert len(answers) == 3


def test_the_evaluation_counts_what_was_taken_for_what(exported, parts):
    path, _ = exported
    evaluation = evaluate(path, parts.test)
    matrix = np.array(evaluation["confusion_matrix"])
    assert matrix.sum(axis=1).tolist() == [100] * 10
    assert matrix.trace() / 1000 == pytest.approx(evaluation["test_acc"])
    assert evaluation["test_count"] == 1000
    assert evaluation["classes"] == list(range(10))
