"""The time limit of a call of `run`: SCORING_TIMEOUT_MS."""

# The functions of `signal` convert each number to an enum. This takes longer than all else that a
# worker does for a small request.
import _signal  # type: ignore[import-not-found]
from types import FrameType, TracebackType
from typing import Any


class TimeLimit:
    """Context manager that raises TimeoutError in the main thread when the time is over.

    As in Azure ML's inference server, the limit uses SIGALRM and its timer. An alarm that the
    script has set with `signal.alarm` is therefore lost when a call of `run` starts or ends. Python
    raises the exception when the main thread executes its next line of Python code.

    Args:
        limit_ms: The limit in milliseconds.
    """

    def __init__(self, limit_ms: int) -> None:
        self._limit_ms = limit_ms
        self._script_handler: Any = None

    def __enter__(self) -> None:
        """Start the timer."""
        self._script_handler = _signal.signal(_signal.SIGALRM, self._raise)
        _signal.setitimer(_signal.ITIMER_REAL, self._limit_ms / 1000)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop the timer, and restore the script's handler of SIGALRM."""
        _signal.setitimer(_signal.ITIMER_REAL, 0)
        _signal.signal(_signal.SIGALRM, self._script_handler)

    def _raise(self, _number: int, _frame: FrameType | None) -> None:
        raise TimeoutError(f"run() took longer than SCORING_TIMEOUT_MS, {self._limit_ms} ms")
