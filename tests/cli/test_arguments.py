import pytest

from mnist_exp.cli.arguments import flags_and_overrides
from mnist_exp.errors import ConfigError


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("stage=all seed=1", "stage=all seed=1"),
        ("stage=train --config-dir mine job=own", "--config-dir mine stage=train job=own"),
        ("stage=train --config-dir=mine job=own", "--config-dir=mine stage=train job=own"),
        ("a=1 -m b=1,2", "-m a=1 b=1,2"),
        ("~a.b +c=1 ++d=-1 --cfg job -p x", "--cfg job -p x ~a.b +c=1 ++d=-1"),
        ("a=1 --info defaults b=2", "--info defaults a=1 b=2"),
        ("a=1 --info b=2", "--info a=1 b=2"),
        ("--help", "--help"),
    ],
)
def test_flags_come_first_with_their_values(words: str, expected: str) -> None:
    flags, overrides = flags_and_overrides(words.split())
    assert [*flags, *overrides] == expected.split()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("--stage train", "--stage: no such flag; to set a key, write stage=train without"),
        ("--stage=train", "--stage=train: no such flag; to set a key, write stage=train"),
        ("--train", "--train: no such flag; to set a key, write stage=train without dashes"),
        ("--epochs 5", "--epochs: no such flag; to set a key, write model.epochs=5 without"),
        ("--model.lr=1", "--model.lr=1: no such flag; to set a key, write model.learning_rate=1"),
        ("stage train", "stage train: must be one word; write stage=train"),
        ("help", "help: must be written as a flag; run mnist-exp --help"),
        ("version -m", "version: must be written as a flag; run mnist-exp --version"),
        ("-x seed=1", "-x: no such flag; to set a key, write x=..."),
        ("job.x=a\udcff stage=all", "'job.x': the argument must be UTF-8 text; correct the bytes"),
        ("--config-dir=\udcff", "'--config-dir': the argument must be UTF-8 text"),
        ("--config-dir \udcff", "'\\udcff': the argument must be UTF-8 text"),
        ("stage=all --config-dir", "--config-dir: needs a value; write --config-dir VALUE"),
    ],
)
def test_an_unknown_flag_is_reported(words: str, expected: str) -> None:
    with pytest.raises(ConfigError) as caught:
        flags_and_overrides(words.split())
    (line,) = caught.value.lines
    assert line.startswith(expected)


@pytest.mark.parametrize("flag", ["-sc", "--shell-completion"])
def test_only_a_shell_asks_for_completions(flag: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COMP_LINE", raising=False)
    with pytest.raises(ConfigError, match=r"^-sc: .*mnist-exp -sc install=bash"):
        flags_and_overrides([flag, "query=bash"])
    assert flags_and_overrides([flag, "install=bash"]) == ([flag], ["install=bash"])
    monkeypatch.setenv("COMP_LINE", "mnist-exp st")
    assert flags_and_overrides([flag, "query=bash"]) == ([flag], ["query=bash"])


def test_all_faults_are_reported_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        flags_and_overrides(["--stage", "train", "--seed=1", "-c"])
    assert len(caught.value.lines) == 3
