"""Output of each thread while the SDK works."""

import io
import sys
import threading

import pytest

from mnist_exp.workspaces.azure.sdk_output import captured, quiet


def test_prints_are_dropped_in_the_block_only(capsys: pytest.CaptureFixture[str]) -> None:
    usual = sys.stdout, sys.stderr
    with quiet():
        print("a remark")
        print("a bar", file=sys.stderr)
    print("ours")
    assert capsys.readouterr() == ("ours\n", "")
    assert (sys.stdout, sys.stderr) == usual


def test_lines_are_passed_on_whole() -> None:
    lines: list[str] = []
    with captured(lines.append):
        print("one ", end="")
        print("line\nand a half", end="")
    assert lines == ["one line"]


def test_a_thread_of_the_sdk_prints_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with quiet():
        thread = threading.Thread(target=print, args=("a dot",))
        thread.start()
        thread.join()
    assert capsys.readouterr() == ("", "")


def test_a_late_block_keeps_the_streams_of_a_newer_block(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An abandoned stream of a log may end after other code has replaced `sys.stdout`."""
    is_in, may_end = threading.Event(), threading.Event()

    def left() -> None:
        with quiet():
            is_in.set()
            assert may_end.wait(timeout=30)

    thread = threading.Thread(target=left)
    thread.start()
    assert is_in.wait(timeout=30)
    theirs = io.StringIO()
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", theirs)
        with quiet():
            may_end.set()
            thread.join()
            print("a remark")
        print("ours")
        assert sys.stdout is theirs
    assert theirs.getvalue() == "ours\n"
