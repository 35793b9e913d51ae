"""The trainer in another environment, with the TensorFlow of this environment.

A conda file installs a package of one file, which shows the packages of this environment. The
versions therefore agree, and no test has to download TensorFlow.
"""

import site
from pathlib import Path

import pytest

from tests.support.command_line import Cli
from tests.support.in_process import InProcessCli
from tests.support.trained_models import have_equal_weights
from tests.support.tutorial import TUTORIAL_GROUP
from tests.support.wheels import make_wheel
from tests.workspaces.local.environments.conftest import Conda


@pytest.fixture
def shows_ours(conda: Conda, wheels: Path) -> str:
    """A conda file whose environment shows the packages of this environment."""
    lines = [f"import site; site.addsitedir({folder!r})" for folder in site.getsitepackages()]
    make_wheel(wheels, "ourpackages", "1.0", {"ourpackages.pth": "\n".join(lines)})
    return str(conda(pip="[ourpackages]").conda_file)


@pytest.mark.xdist_group(TUTORIAL_GROUP)
def test_the_weights_are_those_of_our_own_environment(
    stored_cli: InProcessCli, tutorial: Cli, shows_ours: str, offline: pytest.MonkeyPatch
) -> None:
    stored_cli.ok("stage=train", "env=conda", f"env.conda_file={shows_ours}")
    (ours,), (theirs,) = tutorial.records("train"), stored_cli.records("train")
    assert ours["metrics"] == theirs["metrics"]
    assert have_equal_weights(ours, theirs)
    server = Path(theirs["paths"]["folder"], "user_logs", "mlflow_server.txt")
    assert server.exists()
