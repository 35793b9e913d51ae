"""The modules that each process of a run on this machine imports. MLflow alone imports more."""

import pytest

from tests.support.command_line import Cli
from tests.support.tutorial import TUTORIAL_GROUP

pytestmark = pytest.mark.xdist_group(TUTORIAL_GROUP)

#: The end of a process that has not imported what MLflow itself imports by default.
LEAN = "loaded: mlflow"


def test_the_command_imports_no_more_of_mlflow_than_it_needs(tutorial: Cli) -> None:
    said = (tutorial.folder / "stderr.txt").read_text(encoding="utf-8")
    assert said.splitlines()[-1] == LEAN
    assert "Failure attempting to register" not in said


def test_a_job_and_a_forked_trial_import_nothing_of_azure(tutorial: Cli) -> None:
    logs = list(tutorial.outputs.glob("**/user_logs/std_log.txt"))
    told = [path.read_text(encoding="utf-8") for path in logs]
    # The fork server imports MLflow's pandas module, since a user's own script may want it.
    ends = {text.splitlines()[-1] for text in told}
    assert ends == {LEAN, f"{LEAN} mlflow.data.pandas_dataset"}
    assert not any("Failure attempting" in text for text in told)
    # TensorFlow prints nothing there.
    assert {text.partition(":")[0] for text in told} == {"tracking"}
    (server,) = tutorial.outputs.glob("**/user_logs/fork_server.txt")
    assert server.read_text(encoding="utf-8") == ""
