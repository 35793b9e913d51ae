import errno
import os
from pathlib import Path

import pytest

from mnist_exp.cli.execution import FULL_ERROR, check, probe, report_errors, split
from mnist_exp.errors import ConfigError, JobError, MnistExpError, NotFoundError, OutputsError
from tests.support.configs import composed


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that the command is given in."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path.parent / "cache"))
    monkeypatch.delenv(FULL_ERROR, raising=False)
    return tmp_path


# How errors are reported.


def report(error: BaseException, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, list[str]]:
    with report_errors() as outcome:
        raise error
    printed = capsys.readouterr()
    assert printed.out == ""
    return outcome.exit_code, outcome.why, printed.err.splitlines()


def test_nothing_wrong_is_exit_code_0(capsys: pytest.CaptureFixture[str]) -> None:
    with report_errors() as outcome:
        pass
    assert (outcome.exit_code, outcome.why, outcome.interrupted) == (0, "", False)
    assert capsys.readouterr().err == ""


def test_every_fault_is_a_line(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, why, lines = report(ConfigError(["a: one", "b: two"]), capsys)
    assert (code, why) == (1, "a: one")
    assert lines == ["error: a: one", "error: b: two"]


def test_a_failed_job_shows_its_last_words(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    error = JobError("train t: exit code 3; its log: /log", ["Traceback", "ValueError: no"])
    code, why, lines = report(error, capsys)
    assert (code, why) == (1, "train t: exit code 3; its log: /log")
    assert lines == [
        "error: train t: exit code 3; its log: /log",
        "  | Traceback",
        "  | ValueError: no",
    ]


def test_an_interrupt_is_130(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with report_errors() as outcome:
        raise KeyboardInterrupt
    assert outcome.exit_code == 130
    assert outcome.interrupted
    assert outcome.why == "canceled by the user"
    assert capsys.readouterr().err == "canceled: what was running has been ended\n"


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS])
def test_what_cannot_be_written_is_a_line(
    here: Path, capsys: pytest.CaptureFixture[str], number: int
) -> None:
    error = OSError(number, os.strerror(number), "/out/run.json")
    code, _, (line,) = report(error, capsys)
    assert code == 1
    assert line.startswith("error: outputs_dir: must be a folder that can be written, got /out")
    assert os.strerror(number) in line


@pytest.mark.parametrize("error", [ZeroDivisionError("ours"), FileNotFoundError(2, "no", "x")])
def test_a_fault_of_ours_keeps_its_traceback(here: Path, error: Exception) -> None:
    with pytest.raises(type(error)), report_errors():
        raise error


@pytest.mark.parametrize("error", [NotFoundError("run: none"), ConfigError(["x"])])
def test_the_traceback_is_there_on_request(
    here: Path, error: MnistExpError, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(FULL_ERROR, "1")
    with pytest.raises(type(error)), report_errors():
        raise error


# The probe.


def test_the_probe_leaves_nothing_in_a_folder(here: Path) -> None:
    (here / "outputs").mkdir()
    probe(here / "outputs")
    assert list((here / "outputs").iterdir()) == []


def test_the_probe_leaves_no_new_folder(here: Path) -> None:
    probe(here / "deep" / "down" / "outputs")
    assert list(here.iterdir()) == []


def test_the_probe_names_a_file_in_the_way(here: Path) -> None:
    (here / "file").write_text("mine", encoding="utf-8")
    with pytest.raises(OutputsError, match=r"^outputs_dir: must be a folder .*/file/outputs"):
        probe(here / "file" / "outputs")
    assert (here / "file").read_text(encoding="utf-8") == "mine"
    assert list(here.iterdir()) == [here / "file"]


def test_the_probe_names_its_key(here: Path) -> None:
    with pytest.raises(OutputsError, match=r"^hydra\.run\.dir: .*with hydra\.run\.dir=DIR$"):
        probe(Path("/proc/nowhere"), "hydra.run.dir")


# The check before a run.


def checked(*overrides: str) -> None:
    check(*split(composed(*overrides)))


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        (["stage=compute", "seed=-1"], "seed: must be from 0"),
        (["stage=compute", "+model.x=1"], "model.x: no such key"),
        (["stage=register"], "run: no completed sweep in"),
        (["stage=deploy"], "run: no registered model in"),
        (["stage=invoke"], "endpoint.name: no endpoint is deployed"),
        (["stage=cleanup", "endpoint.name=nobody"], "nobody"),
        (["stage=train", "job.script=nope.py"], "job.script: must be a file in job.code"),
        (["stage=compute", "outputs_dir=/proc/out"], "outputs_dir: must be a folder that can be"),
        (
            ["stage=compute", "hydra.run.dir=/proc/out", "hydra.mode=RUN"],
            "hydra.run.dir: must be a folder that can be written",
        ),
        (["stage=train", "wait=false"], "wait: jobs on this machine end with the command"),
    ],
)
def test_a_check_that_fails_leaves_nothing_behind(
    here: Path, overrides: list[str], expected: str
) -> None:
    with pytest.raises(MnistExpError) as caught:
        checked(*overrides)
    assert expected in caught.value.lines[0]
    assert list(here.iterdir()) == []


@pytest.mark.parametrize("stage", ["compute", "train", "sweep"])
def test_a_check_that_passes_leaves_nothing_behind_either(here: Path, stage: str) -> None:
    checked(f"stage={stage}", f"data.cache_dir={here.parent / 'cache'}")
    assert list(here.iterdir()) == []


def test_all_faults_of_the_config_come_at_once(here: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        checked("stage=train", "model.epochs=0", "model.batch_size=0", "seed=-1")
    assert len(caught.value.faults) == 3


def test_warnings_are_shown(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    checked("stage=compute", "compute=gpu_cluster", "compute.size=STANDARD_NC6")
    assert "warning: compute.size: STANDARD_NC6 was retired" in capsys.readouterr().err


def test_split_takes_hydras_part_out(here: Path) -> None:
    task, hydra_config = split(composed("stage=train"))
    assert "hydra" not in task
    assert task.stage.value == "train"
    assert hydra_config.job.config_name == "config"
