"""The time limit of a call of `run`: SCORING_TIMEOUT_MS."""

import signal
from types import FrameType, TracebackType


class TimeLimit:
    """Context manager that raises TimeoutError in the main thread when the time is over.

    As in Azure ML's inference server, the limit uses SIGALRM and its timer. A script can therefore
    not use `signal.alarm` for longer than a call of `run`. Python raises the exception when the
    main thread executes its next line of Python code.

    Args:
        limit_ms: The limit in milliseconds.
    """

    def __init__(self, limit_ms: int) -> None:
        self._limit_ms = limit_ms
        self._handler_before: object = None

    def __enter__(self) -> None:
        """Start the timer."""
        self._handler_before = signal.signal(signal.SIGALRM, self._raise)
        signal.setitimer(signal.ITIMER_REAL, self._limit_ms / 1000)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop the timer, and restore the script's handler of SIGALRM."""
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, self._handler_before)  # type: ignore[arg-type]

    def _raise(self, _number: int, _frame: FrameType | None) -> None:
        raise TimeoutError(f"run() took longer than SCORING_TIMEOUT_MS, {self._limit_ms} ms")
