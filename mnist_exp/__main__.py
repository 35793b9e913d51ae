"""`python -m mnist_exp` and the console script `mnist-exp`."""

import signal

# While libraries are imported nothing runs that would have to be ended: Ctrl-C just ends us.
_handles_interrupts = signal.getsignal(signal.SIGINT) is signal.default_int_handler
if _handles_interrupts:
    signal.signal(signal.SIGINT, signal.SIG_DFL)

from mnist_exp.cli.main import main  # noqa: E402

if _handles_interrupts:
    signal.signal(signal.SIGINT, signal.default_int_handler)

__all__ = ["main"]

if __name__ == "__main__":
    main()
