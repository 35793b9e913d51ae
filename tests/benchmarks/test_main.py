"""The command line of the benchmarks; each benchmark has a test file of its own."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks import __main__ as command


@pytest.fixture(autouse=True)
def handler_of_sigterm() -> Iterator[None]:
    """Restore the handler that `main` replaces."""
    previous = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, previous)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["sweep", "--sweep-rivals", "hyperopt"], ["hyperopt", "optuna threads"]),
        (["trainning"], ["NAME must be one of training, process", "got trainning"]),
    ],
)
def test_an_unknown_name_is_refused_with_the_known_ones(words, says, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as caught:
        command.main(words)
    assert caught.value.code == 2
    err = capsys.readouterr().err
    assert all(part in err for part in says)
    assert list(tmp_path.iterdir()) == []


def test_sample_digits_stand_in_for_mnist(monkeypatch, capsys):
    seen = []

    def training(race, batch_sizes):
        seen.append((len(list(race.data.iterdir())), race.names, batch_sizes))

    monkeypatch.setattr(command, "training", training)
    assert command.main(["training", "--contestants", "ours", "--batch-sizes", "64"]) == 0
    assert seen == [(4, ("ours",), [64])]
    assert "4,000 sample digits instead of MNIST" in capsys.readouterr().out


def test_a_folder_of_ones_own_is_used(monkeypatch, tmp_path: Path):
    seen = []
    monkeypatch.setattr(command, "process", lambda *words: seen.append(words))
    assert command.main(["process", "--data", str(tmp_path), "--epochs", "2"]) == 0
    assert seen == [(tmp_path, 2, 2)]
