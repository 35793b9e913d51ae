"""How errors are reported."""

import errno
import os

import pytest

from mnist_exp.cli.error_output import FULL_ERROR, report_errors
from mnist_exp.errors import ConfigError, JobError, MnistExpError, NotFoundError


@pytest.fixture(autouse=True)
def no_full_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Report errors without their tracebacks."""
    monkeypatch.delenv(FULL_ERROR, raising=False)


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


def test_every_fault_is_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    code, why, lines = report(ConfigError(["a: one", "b: two"]), capsys)
    assert (code, why) == (1, "a: one")
    assert lines == ["error: a: one", "error: b: two"]


def test_a_failed_job_shows_the_end_of_its_log(capsys: pytest.CaptureFixture[str]) -> None:
    error = JobError("train t: exit code 3; its log: /log", ["Traceback", "ValueError: no"])
    code, why, lines = report(error, capsys)
    assert (code, why) == (1, "train t: exit code 3; its log: /log")
    assert lines == [
        "error: train t: exit code 3; its log: /log",
        "  | Traceback",
        "  | ValueError: no",
    ]


def test_an_interrupt_is_130(capsys: pytest.CaptureFixture[str]) -> None:
    with report_errors() as outcome:
        raise KeyboardInterrupt
    assert outcome.exit_code == 130
    assert outcome.interrupted
    assert outcome.why == "canceled by the user"
    assert capsys.readouterr().err == "canceled: all jobs of this command have ended\n"


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS])
def test_an_unwritable_outputs_folder_is_one_line(
    capsys: pytest.CaptureFixture[str], number: int
) -> None:
    error = OSError(number, os.strerror(number), "/out/run.json")
    code, _, (line,) = report(error, capsys)
    assert code == 1
    assert line.startswith("error: outputs_dir: must be a folder that can be written, got /out")
    assert os.strerror(number) in line


@pytest.mark.parametrize("error", [ZeroDivisionError("ours"), FileNotFoundError(2, "no", "x")])
def test_a_bug_keeps_its_traceback(error: Exception) -> None:
    with pytest.raises(type(error)), report_errors():
        raise error


def test_only_a_full_output_is_written_to_again(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(OSError, match="no child"), report_errors():
        raise OSError(errno.ECHILD, "no child")
    assert capfd.readouterr().out == ""


@pytest.mark.parametrize("error", [NotFoundError("run: none"), ConfigError(["x"])])
def test_the_traceback_is_there_on_request(
    error: MnistExpError, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(FULL_ERROR, "1")
    with pytest.raises(type(error)), report_errors():
        raise error
