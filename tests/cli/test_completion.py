"""The completion of values in a shell."""

from pathlib import Path

import pytest

from mnist_exp.cli.completion import completed_words
from mnist_exp.cli.main import main
from mnist_exp.config import Stage
from mnist_exp.records import Record, RecordIndex
from mnist_exp.status import JobStatus
from tests.support.files import write_file


@pytest.fixture
def outputs(tmp_path: Path) -> Path:
    """Return an outputs folder with a sweep that was resumed, and a training run."""
    index = RecordIndex(tmp_path / "outputs")
    for number, stage in enumerate((Stage.sweep, Stage.sweep, Stage.train)):
        record = Record(stage, f"{stage.value}_1", JobStatus.COMPLETED, "2026-11-01")
        folder = tmp_path / "outputs" / "runs" / str(number)
        record.save(folder)
        index.add(record, folder)
    write_file(index.outputs / "conf/model/smooth.yaml", "epochs: 1\n")
    return index.outputs


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("stage=t", ["stage=train"]),
        ("-m stage=train runs.stage=sw", ["runs.stage=sweep"]),
        ("stage=train wait=", ["wait=true", "wait=false"]),
        ("outputs_dir=OUTPUTS stage=sweep run=", ["run=sweep_1"]),
        ("outputs_dir=OUTPUTS stage=status run=", ["run=train_1", "run=sweep_1"]),
        ("outputs_dir=OUTPUTS stage=status run=s", ["run=sweep_1"]),
        ("outputs_dir=OUTPUTS/none run=", None),
        ("stage=train model=sm", ["model=small"]),
        ("--config-dir OUTPUTS/conf stage=train model=sm", ["model=small", "model=smooth"]),
        ("-m --config-dir=OUTPUTS/conf model=small,sm", ["model=small,smooth"]),
        ("-m stage=train,sw", ["stage=train,sweep"]),
        ("endpoint/environment=az", ["endpoint/environment=azure"]),
        ("=", None),
        # Hydra completes these words.
        ("stage", None),
        ("stage=train ", None),
        ("stage=train model.e", None),
    ],
)
def test_values_are_completed(outputs: Path, line: str, expected: list[str] | None) -> None:
    assert completed_words(f"mnist-exp {line}".replace("OUTPUTS", str(outputs))) == expected


def test_a_shell_gets_the_values(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COMP_LINE", "mnist-exp stage=re")
    monkeypatch.setattr("sys.argv", ["mnist-exp", "-sc", "query=bash"])
    main()
    assert capsys.readouterr().out.split() == ["stage=register", "stage=report"]
