import pytest

from digits.networks import Architecture, Optimizer
from digits.settings import parse_arguments


def test_defaults_are_the_tutorials():
    settings = parse_arguments(["--data-folder", "x"])
    assert settings.parameters() == {
        "batch_size": 64,
        "first_layer_neurons": 256,
        "second_layer_neurons": 128,
        "learning_rate": 0.01,
        "epochs": 20,
        "seed": 42,
        "validation_fraction": 0.1,
        "architecture": "dnn",
        "optimizer": "sgd",
    }
    assert settings.checkpoints is None
    assert settings.resume_from is None


def test_reads_every_flag():
    words = (
        "--data-folder x --batch-size 32 --first-layer-neurons 16 --second-layer-neurons 8"
        " --learning-rate 1e-3 --epochs 2 --seed 0 --validation-fraction 0.2"
        " --architecture cnn --optimizer adam --checkpoints c --checkpoint-every 5"
        " --resume-from r"
    )
    settings = parse_arguments(words.split())
    assert settings.batch_size == 32
    assert settings.learning_rate == 0.001
    assert settings.architecture is Architecture.CNN
    assert settings.optimizer is Optimizer.ADAM
    assert settings.checkpoint_every == 5


def test_a_sweep_may_send_whole_numbers_as_decimals():
    assert parse_arguments(["--data-folder", "x", "--batch-size", "64.0"]).batch_size == 64


@pytest.mark.parametrize(
    ("flag", "value", "rule"),
    [
        ("--batch-size", "0", "must be a whole number of at least 1, got '0'"),
        ("--batch-size", "1.5", "must be a whole number of at least 1, got '1.5'"),
        ("--epochs", "many", "must be a whole number of at least 1, got 'many'"),
        ("--epochs", "inf", "must be a whole number of at least 1, got 'inf'"),
        ("--first-layer-neurons", "-3", "must be a whole number of at least 1, got '-3'"),
        ("--second-layer-neurons", "", "must be a whole number of at least 1, got ''"),
        ("--learning-rate", "nan", "must be a finite number above 0, got 'nan'"),
        ("--learning-rate", "1e308", "must be from 1.2e-38 to 3.4e+38, the range of float32, got"),
        ("--learning-rate", "1e-320", "must be from 1.2e-38 to 3.4e+38, the range of float32, got"),
        ("--learning-rate", "0", "must be a finite number above 0, got '0'"),
        ("--seed", "-1", "must be a whole number of at least 0, got '-1'"),
        ("--seed", "4294967296", "must be at most 4294967295, got '4294967296'"),
        ("--first-layer-neurons", "1000001", "must be at most 1000000, got '1000001'"),
        ("--validation-fraction", "1", "must be above 0 and below 1, got '1'"),
        ("--optimizer", "sdg", "must be one of sgd, momentum, adam, got 'sdg'"),
        ("--architecture", "rnn", "must be one of dnn, cnn, got 'rnn'"),
    ],
)
def test_a_bad_value_is_one_line_with_flag_rule_and_value(capsys, flag, value, rule):
    with pytest.raises(SystemExit) as caught:
        parse_arguments(["--data-folder", "x", flag, value])
    assert caught.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert flag in line
    assert rule in line


def test_flags_are_not_abbreviated(capsys):
    with pytest.raises(SystemExit):
        parse_arguments(["--data-folder", "x", "--batch", "3"])
    assert "unrecognized arguments: --batch 3" in capsys.readouterr().err
