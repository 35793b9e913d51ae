"""Signals while a command waits for a job."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Event

import pytest

from mnist_exp.interrupts import Interrupts, handle_signals, with_noted_interrupts

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_PATIENCE_S = 60


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """Restore the signal handlers."""
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def _canceled(interrupts: Interrupts, *numbers: signal.Signals) -> str:
    """Send signals to this process at the same time, and wait for the interrupt."""
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    for number in numbers:
        os.kill(os.getpid(), number)
    end = time.monotonic() + _PATIENCE_S
    while time.monotonic() < end:
        try:
            interrupts.check()
        except KeyboardInterrupt:
            return "canceled"
        Event().wait(0.001)
    return "not interrupted"


@pytest.mark.parametrize("numbers", [(signal.SIGINT,), (signal.SIGTERM, signal.SIGHUP)])
def test_signals_at_the_same_time_cancel_the_job(numbers: tuple[signal.Signals, ...]) -> None:
    handle_signals()
    assert with_noted_interrupts(lambda i: _canceled(i, *numbers)) == "canceled"


def test_a_notebook_keeps_its_handler() -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)
    assert with_noted_interrupts(lambda i: _canceled(i, signal.SIGINT)) == "canceled"
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_signal_without_a_job_is_an_interrupt() -> None:
    handle_signals()
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGTERM)


def test_an_ignored_signal_stays_ignored() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    handle_signals()
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN


def test_the_third_interrupt_does_not_wait() -> None:
    handle_signals()
    is_over = Event()

    def hang(_: Interrupts) -> None:
        for number in _SIGNALS:
            os.kill(os.getpid(), number)
        is_over.wait(_PATIENCE_S)

    try:
        with pytest.raises(KeyboardInterrupt):
            with_noted_interrupts(hang)
    finally:
        is_over.set()


def test_an_error_of_the_watching_thread_is_raised() -> None:
    def fail(_: Interrupts) -> None:
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        with_noted_interrupts(fail)


def test_an_interrupt_during_the_look_for_a_request_is_not_lost(tmp_path: Path) -> None:
    class Late(Interrupts):
        """Interrupts whose look for a cancel request takes until the user presses Ctrl-C."""

        def _take_request(self) -> bool:
            self.note()
            return super()._take_request()

    with pytest.raises(KeyboardInterrupt):
        Late(tmp_path / "request").check()
