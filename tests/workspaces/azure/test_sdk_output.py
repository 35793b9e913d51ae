"""What is printed while the SDK works: each thread's own."""

import io
import sys
import threading

import pytest

from mnist_exp.workspaces.azure.sdk_output import captured, quiet


def test_prints_are_dropped_and_come_again_afterwards(capsys: pytest.CaptureFixture[str]) -> None:
    usual = sys.stdout, sys.stderr
    with quiet():
        print("a remark")
        print("a bar", file=sys.stderr)
    print("ours")
    assert capsys.readouterr() == ("ours\n", "")
    assert (sys.stdout, sys.stderr) == usual


def test_lines_are_handed_over_whole() -> None:
    lines: list[str] = []
    with captured(lines.append):
        print("one ", end="")
        print("line\nand a half", end="")
    assert lines == ["one line"]


def test_a_thread_that_the_sdk_starts_prints_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with quiet():
        thread = threading.Thread(target=print, args=("a dot",))
        thread.start()
        thread.join()
    assert capsys.readouterr() == ("", "")


def test_a_block_of_before_takes_nothing_from_one_on_other_streams(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A stream of a log that was left to itself may end after someone put other streams there."""
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
