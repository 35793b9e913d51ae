"""The tutorial as one command of a user: `stage=all` on real digits, with the real trainer."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.command_line import Cli

#: Fewer trials than the tutorial, to take less time.
TRIALS = 4
EPOCHS = 20
#: Tests that use `tutorial` have the mark `pytest.mark.xdist_group(TUTORIAL_GROUP)`.
TUTORIAL_GROUP = "tutorial"


@pytest.fixture(scope="session")
def tutorial(tmp_path_factory: pytest.TempPathFactory, make_cli: Callable[[Path], Cli]) -> Cli:
    """A folder in which the command has run. Its output is in `stdout.txt`."""
    cli = make_cli(tmp_path_factory.mktemp("tutorial"))
    done = cli.ok(
        "stage=all",
        "compute=gpu_cluster",
        f"sweep.limits.max_total_trials={TRIALS}",
        "sweep.limits.max_concurrent_trials=2",
    )
    (cli.folder / "stdout.txt").write_text(done.stdout, encoding="utf-8")
    return cli
