"""Rules of the keys that belong to no config group."""

from pathlib import Path

import pytest

from mnist_exp.config import WorkspaceType
from tests.checks.rules import Change, Rule, assert_is_one_line, setting

RULES: dict[str, Rule] = {
    "seed below": ("compute", setting(seed=-1), "seed: must be from 0 to 2147483647, got -1"),
    "seed above": ("compute", setting(seed=2**31), "seed: must be from 0 to 2147483647"),
    "outputs_dir": ("compute", setting(outputs_dir=" "), "outputs_dir: must be a folder"),
    "home folder": (
        "train",
        setting(outputs_dir="~/out"),
        f"outputs_dir: must not begin with ~; write outputs_dir={Path.home()}/out",
    ),
    "home folder of an unknown user": (
        "train",
        setting(outputs_dir="~nouser/out"),
        "outputs_dir: must not begin with ~; write outputs_dir=DIR",
    ),
    "both quotes": (
        "train",
        setting(outputs_dir="""a'b"c"""),
        "outputs_dir: must not contain both ' and",
    ),
    "percent encoding": (
        "train",
        setting(outputs_dir="a%20b"),
        "outputs_dir: must not contain a percent sign before two hex digits (%20), because MLflow",
    ),
    "an alias of MLflow": (
        "deploy",
        setting(run="models:/digits@champion"),
        "run: must be NAME, NAME:VERSION or NAME@latest, because Azure ML has no aliases, got "
        "models:/digits@champion",
    ),
    "record of a stage that begins anew": (
        "all",
        setting(run="sweep_1"),
        "run: stage=all uses no earlier run, got sweep_1; remove run=",
    ),
    "deletion of jobs on Azure": (
        "prune",
        setting(workspace__type=WorkspaceType.azure),
        "workspace: must be local for stage=prune, because Azure's SDK cannot delete jobs",
    ),
}


@pytest.mark.parametrize("target", ["nowhere", "link"])
def test_a_broken_link_in_the_path_of_the_outputs_is_one_line(tmp_path: Path, target: str) -> None:
    (tmp_path / "link").symlink_to(target)
    for folder in (tmp_path / "link", tmp_path / "link" / "below"):
        assert_is_one_line(
            "train",
            setting(outputs_dir=str(folder)),
            f"outputs_dir: must be a folder, got {folder}, but {tmp_path}/link is a broken link",
        )


@pytest.mark.parametrize(("stage", "change", "expected"), RULES.values(), ids=RULES.keys())
def test_a_broken_rule_is_one_line(stage: str, change: Change, expected: str) -> None:
    assert_is_one_line(stage, change, expected)
