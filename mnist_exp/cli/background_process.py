"""The process that runs a stage in the background.

    python -m mnist_exp.cli.background_process NAME

The process reads the stage from its standard input. NAME is the name of the job. The process does
not use NAME, but lists of processes (`ps`) show it.
"""

import os
import pickle
import signal
import sys

from mnist_exp.cli.background import BackgroundStage
from mnist_exp.cli.error_output import report_errors
from mnist_exp.cli.main import accept_all_letters
from mnist_exp.cli.prepare import ready
from mnist_exp.interrupts import handle_signals


def main() -> None:
    """Run the stage, and exit with the exit code of a command in the foreground."""
    # The job continues if the user closes the terminal.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with report_errors() as outcome:
        handle_signals()
        accept_all_letters()
        stage: BackgroundStage = pickle.load(sys.stdin.buffer)  # noqa: S301 - our own bytes
        os.dup2(os.open(os.devnull, os.O_RDONLY), sys.stdin.fileno())
        ready(stage.config, stage.folder, stage.flags).run()
    sys.exit(outcome.exit_code)


if __name__ == "__main__":
    main()
