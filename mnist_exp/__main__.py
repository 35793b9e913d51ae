"""Entry point of `python -m mnist_exp` and of the console script `mnist-exp`."""

import signal

# Let Ctrl-C end the process without a traceback during the imports. No job runs yet, so no job has
# to be canceled.
_handles_interrupts = signal.getsignal(signal.SIGINT) is signal.default_int_handler
if _handles_interrupts:
    signal.signal(signal.SIGINT, signal.SIG_DFL)

from mnist_exp.cli.main import main  # noqa: E402

if _handles_interrupts:
    signal.signal(signal.SIGINT, signal.default_int_handler)

__all__ = ["main"]

if __name__ == "__main__":
    main()
