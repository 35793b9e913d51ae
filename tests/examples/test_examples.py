"""The experiments in examples/, run by the commands that their README names."""

import re
import shlex
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from mnist_exp.report.advice import next_command
from tests.support.command_line import Cli
from tests.support.in_process import InProcessCli
from tests.support.paths import REPOSITORY
from tests.support.registry import reaches_registry
from tests.support.sample_results import record as sample_record

EXAMPLES = REPOSITORY / "examples"
COMMAND = re.compile(r"^mnist-exp (--config-dir examples/(\w+) .+)$", re.MULTILINE)
#: Example -> the words after `mnist-exp`, as the README has them.
COMMANDS = {
    name: words.split()
    for words, name in COMMAND.findall((EXAMPLES / "README.md").read_text(encoding="utf-8"))
}


@pytest.fixture
def run(stored_cli: Cli, cache: Path) -> Callable[[str], dict[str, Any]]:
    """Return a function that runs an example from the root and returns its record."""

    def run_example(name: str) -> dict[str, Any]:
        InProcessCli(REPOSITORY, cache).ok(*COMMANDS[name], f"outputs_dir={stored_cli.outputs}")
        (record,) = stored_cli.records(COMMANDS[name][2].removeprefix("stage="))
        return record

    return run_example


def test_the_readme_has_a_command_for_each_example() -> None:
    assert set(COMMANDS) == {path.name for path in EXAMPLES.iterdir() if path.is_dir()}


def test_each_file_begins_with_a_command_that_uses_it() -> None:
    for path in EXAMPLES.glob("*/*/*.yaml"):
        first = path.read_text(encoding="utf-8").partition("\n")[0]
        assert first.startswith(f"# mnist-exp --config-dir examples/{path.parts[-3]} stage=")
        assert f"{path.parent.name}={path.stem}" in first


def test_keras_fit_is_logged_by_autolog(run: Callable[[str], dict[str, Any]]) -> None:
    record = run("keras_fit")
    assert record["status"] == "Completed"
    assert record["metrics"]["val_accuracy"] > 0.5
    assert record["parameters"]["epochs"] == 5
    assert Path(record["paths"]["folder"], "outputs", "model.keras").is_file()


def test_a_logged_model_is_deployed_by_the_printed_commands(
    run: Callable[[str], dict[str, Any]], stored_cli: InProcessCli
) -> None:
    record = run("logged_model")
    assert record["logged_models"] == ["classifier"]
    trained = sample_record(name=record["name"], logged_models=["classifier"])
    proposed = next_command(trained)
    try:
        for stage in ("register", "deploy", "invoke"):
            words = shlex.split(proposed)[1:]
            assert words[0] == f"stage={stage}"
            printed = stored_cli.ok(*words).stdout
            (proposed,) = re.findall(r"^ *next +(.+)$", printed, re.MULTILINE)
    finally:
        stored_cli("stage=cleanup")
    (invoked,) = stored_cli.records("invoke")
    assert len(invoked["predictions"]["answer"]) == 3


def test_scikit_learn_is_swept_over_its_own_search_space(
    run: Callable[[str], dict[str, Any]],
) -> None:
    record = run("random_forest")
    assert record["status"] == "Completed"
    assert len(record["trials"]) == 4
    assert record["metrics"]["accuracy"] > 0.9


def test_lightgbm_is_swept_in_an_environment_of_its_own(
    run: Callable[[str], dict[str, Any]],
) -> None:
    if not reaches_registry():
        pytest.skip("no package registry can be reached")
    assert find_spec("lightgbm") is None
    record = run("lightgbm")
    assert record["status"] == "Completed"
    best, *others = sorted(record["trials"], key=lambda trial: -trial["best"])
    assert best["parameters"] == {"leaves": 15, "learning_rate": 0.1}
    assert {trial["parameters"]["learning_rate"] for trial in others if trial["cut"]} == {0.02}
    model = Path(best["log"]).parents[1] / "outputs" / "model.txt"
    assert model.read_text(encoding="utf-8").startswith("tree")


def test_a_shell_command_runs_from_another_folder(stored_cli: Cli) -> None:
    words = [word.replace("examples/", f"{EXAMPLES}/") for word in COMMANDS["shell"]]
    stored_cli.ok(*words)
    (record,) = stored_cli.records("train")
    counts = Path(record["paths"]["folder"], "outputs", "counts.txt").read_text(encoding="utf-8")
    assert counts.split() == ["3", "loss", "2", "epoch", "1", "seed"]
