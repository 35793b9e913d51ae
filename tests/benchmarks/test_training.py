"""A small race of the trainer, with a real process; the figures are not judged."""

from benchmarks import peak
from benchmarks import training as module
from benchmarks.training import Race, accuracy, training


def test_training_is_measured_and_written_down(sample, written, monkeypatch, capsys):
    monkeypatch.setattr(peak, "_SECONDS", 0.0001)
    # In this process: another process would spend its time on imports.
    monkeypatch.setattr(module, "_peak", lambda: {"large": peak.sgemm(64, 64, 64), "batch_64": 1})
    monkeypatch.setattr(module, "_TURN_SECONDS", 0.001)
    training(Race(sample, 1, ("ours",)), [64])
    said = capsys.readouterr().out
    assert "of sgemm" in said
    assert "written: " in said
    found = written()
    row = found["batch_sizes"]["64"]["ours"]
    assert len(row["seconds"]) == 1
    assert row["images_per_second"] > 0
    assert 0.5 < row["accuracy"] < 1
    assert found["sgemm_gflops"]["large"] > 0
    assert found["environment"]["cores"] >= 1
    assert {"tensorflow", "numpy"} <= set(found["environment"]["versions"])


class Learner:
    """A contestant whose accuracy, in hundredths, is its seed plus its epochs."""

    def __init__(self, name, data, batch_size, seed):
        self.hundredths = seed

    def __enter__(self):
        return self

    def __exit__(self, *_):
        """Do nothing: no process runs."""

    def epoch(self):
        self.hundredths += 1
        return 1.0, self.hundredths / 100


def test_accuracy_is_written_for_each_contestant_and_seed(tmp_path, written, monkeypatch):
    monkeypatch.setattr(module, "Rival", Learner)
    accuracy(tmp_path, 3, range(2))
    assert written()["test_acc"] == {name: [0.03, 0.04] for name in ("ours", "general", "eager")}
