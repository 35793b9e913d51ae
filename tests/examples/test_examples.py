"""The experiments in examples/, run by the commands that their README names."""

import re
import shlex
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from mnist_exp import checks
from mnist_exp.software import read_conda_file
from tests.support.command_line import Cli
from tests.support.configs import config
from tests.support.in_process import InProcessCli
from tests.support.paths import REPOSITORY
from tests.support.registry import reaches_registry

EXAMPLES = REPOSITORY / "examples"
COMMAND = re.compile(r"^mnist-exp (--config-dir examples/(\w+) .+)$", re.MULTILINE)
#: Example -> the words after `mnist-exp`, as the README has them.
COMMANDS = {
    name: words.split()
    for words, name in COMMAND.findall((EXAMPLES / "README.md").read_text(encoding="utf-8"))
}


#: Runs an example with more overrides. Returns its record, and the arguments of the next command;
#: no arguments if no next command is printed.
Run = Callable[..., tuple[dict[str, Any], list[str]]]


@pytest.fixture
def at_root(cache: Path) -> InProcessCli:
    """The command line in this process, in the folder of the README's commands."""
    return InProcessCli(REPOSITORY, cache)


@pytest.fixture
def run(at_root: InProcessCli, stored_cli: Cli) -> Run:
    """Return a function that runs an example."""

    def run_example(name: str, *overrides: str) -> tuple[dict[str, Any], list[str]]:
        words = [*COMMANDS[name], *overrides, f"outputs_dir={stored_cli.outputs}"]
        done = at_root.ok(*words)
        (record,) = stored_cli.records(COMMANDS[name][2].removeprefix("stage="))
        return record, next_arguments(done.stdout)

    return run_example


def next_arguments(printed: str) -> list[str]:
    command = re.search(r"^ *next +mnist-exp (.+)$", printed, re.MULTILINE)
    return shlex.split(command[1]) if command else []


def test_the_readme_has_a_command_for_each_example() -> None:
    assert set(COMMANDS) == {path.name for path in EXAMPLES.iterdir() if path.is_dir()}


def test_each_file_begins_with_a_command_that_uses_it() -> None:
    for path in EXAMPLES.glob("*/*/*.yaml"):
        first = path.read_text(encoding="utf-8").partition("\n")[0]
        assert first.startswith(f"# mnist-exp --config-dir examples/{path.parts[-3]} stage=")
        assert f"{path.parent.name}={path.stem}" in first


def test_keras_fit_is_logged_by_autolog(run: Run) -> None:
    record, proposed = run("keras_fit")
    assert record["status"] == "Completed"
    assert proposed == []
    assert record["metrics"]["val_accuracy"] > 0.5
    assert record["parameters"]["epochs"] == 5
    assert Path(record["paths"]["folder"], "outputs", "model.keras").is_file()


def test_a_logged_model_is_deployed_by_the_printed_commands(
    run: Run, at_root: InProcessCli, stored_cli: InProcessCli
) -> None:
    record, proposed = run("logged_model")
    assert record["logged_models"] == ["classifier"]
    try:
        for stage in ("register", "deploy", "invoke"):
            assert f"stage={stage}" in proposed
            proposed = next_arguments(at_root.ok(*proposed).stdout)
    finally:
        stored_cli("stage=cleanup")
    (invoked,) = stored_cli.records("invoke")
    assert len(invoked["predictions"]["answer"]) == 3


def test_scikit_learn_is_swept_over_its_own_search_space(run: Run) -> None:
    record, _ = run("random_forest")
    assert record["status"] == "Completed"
    assert len(record["trials"]) == 4
    assert record["metrics"]["accuracy"] > 0.9


def test_the_lightgbm_example_breaks_no_rule() -> None:
    composed = config(*COMMANDS["lightgbm"][2:], config_dir=EXAMPLES / "lightgbm")
    assert checks.faults(composed) == []
    assert composed.env.conda_file is not None
    assert "lightgbm==4.6.*" in read_conda_file(Path(composed.env.conda_file)).requirements


@pytest.mark.soak
def test_lightgbm_is_swept_in_an_environment_of_its_own(run: Run) -> None:
    if not reaches_registry():
        pytest.skip("no package registry can be reached")
    if find_spec("lightgbm"):
        pytest.skip("the environment of mnist-exp has lightgbm too")
    # One trial at a time: the policy then compares each trial with the whole trials before.
    record, _ = run("lightgbm", "sweep.limits.max_concurrent_trials=1")
    assert record["status"] == "Completed"
    best, *others = sorted(record["trials"], key=lambda trial: -trial["best"])
    assert best["parameters"] == {"leaves": 15, "learning_rate": 0.1}
    # On a fast machine, a poor trial may end before the policy can cut it.
    assert {trial["parameters"]["learning_rate"] for trial in others if trial["cut"]} <= {0.02}
    model = Path(best["log"]).parents[1] / "outputs" / "model.txt"
    assert model.read_text(encoding="utf-8").startswith("tree")


def test_a_shell_command_runs_from_another_folder(stored_cli: Cli) -> None:
    words = [word.replace("examples/", f"{EXAMPLES}/") for word in COMMANDS["shell"]]
    stored_cli.ok(*words)
    (record,) = stored_cli.records("train")
    counts = Path(record["paths"]["folder"], "outputs", "counts.txt").read_text(encoding="utf-8")
    assert counts.split() == ["3", "loss", "2", "epoch", "1", "seed"]
