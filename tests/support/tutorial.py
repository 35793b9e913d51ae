"""The tutorial as one command of a user: `stage=all` on real digits, with the real trainer."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.command_line import Cli

#: Number of trials. The tutorial has more trials, which would take longer.
TRIALS = 4
EPOCHS = 20
#: Tests that use `tutorial` have the mark `pytest.mark.xdist_group(TUTORIAL_GROUP)`.
TUTORIAL_GROUP = "tutorial"


@pytest.fixture(scope="session")
def tutorial(tmp_path_factory: pytest.TempPathFactory, make_cli: Callable[[Path], Cli]) -> Cli:
    """The command line in a folder in which `stage=all` has run. `stdout.txt` has the output."""
    cli = make_cli(tmp_path_factory.mktemp("tutorial"))
    done = cli.ok(
        "stage=all",
        "compute=gpu_cluster",
        f"sweep.limits.max_total_trials={TRIALS}",
        "sweep.limits.max_concurrent_trials=2",
    )
    (cli.folder / "stdout.txt").write_text(done.stdout, encoding="utf-8")
    return cli
