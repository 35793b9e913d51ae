"""Every file in conf/ is a valid option, and its first comment shows how to use it."""

import ast
import dataclasses
import re
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from mnist_exp import checks
from mnist_exp import config as schema
from mnist_exp.config import Stage
from tests.support.configs import config
from tests.support.paths import CONF

FILES = sorted(path.relative_to(CONF).as_posix() for path in CONF.rglob("*.yaml"))
GROUPS = sorted({path.partition("/")[0] for path in FILES if "/" in path} - {"hydra"})
OPTIONS = [path.removesuffix(".yaml").rsplit("/", 1) for path in FILES if path.count("/") == 1]
SCHEMA_FILES = sorted(Path(schema.__file__).parent.glob("*.py"))


def overrides_for(group: str, option: str, folder: Path) -> list[str]:
    """Return the overrides that an option needs."""
    given = [f"{group}={option}"]
    # data=folder needs a folder.
    if (group, option) == ("data", "folder"):
        given.append(f"data.path={folder}")
    return given


def test_the_tests_see_all_files() -> None:
    assert len(OPTIONS) > 20
    assert {"compute", "data", "endpoint", "env", "job", "model", "sweep", "workspace"} <= set(
        GROUPS
    )
    assert not list(CONF.rglob("*.yml"))


@pytest.mark.parametrize(("group", "option"), OPTIONS)
def test_every_option_composes_and_breaks_no_rule(group: str, option: str, tmp_path: Path) -> None:
    composed = config("stage=all", *overrides_for(group, option, tmp_path))
    assert checks.faults(composed) == []
    assert checks.warnings(composed) == []


@pytest.mark.parametrize("stage", list(Stage))
def test_every_stage_composes(stage: Stage) -> None:
    composed = config(f"stage={stage.value}")
    assert composed.stage is stage
    assert checks.faults(composed) == []


@pytest.mark.parametrize("name", FILES)
def test_every_file_begins_with_its_use(name: str) -> None:
    lines = (CONF / name).read_text(encoding="utf-8").splitlines()
    comments = [line for line in lines[:2] if not line.startswith("# @package")]
    assert comments[0].startswith("# ")
    group, _, option = name.removesuffix(".yaml").rpartition("/")
    if group in GROUPS:
        assert comments[0].startswith(f"# {group}={option}")
    else:
        assert comments[0].startswith("# mnist-exp ")


@pytest.mark.parametrize("name", [name for name in FILES if not name.startswith("hydra/")])
def test_every_field_has_a_comment(name: str) -> None:
    # The comment stands beside the field or above it. Hydra's own keys need none.
    own = (CONF / name).read_text(encoding="utf-8").partition("\nhydra:")[0].splitlines()[1:]
    above = ""
    for number, line in enumerate(own, start=2):
        is_field = re.match(r" *[a-z_]+:", line) and "defaults:" not in line
        told = "  # " in line or (above.lstrip().startswith("#") and "@package" not in above)
        assert told or not is_field, f"{name}:{number}: {line.strip()}"
        above = line


@pytest.mark.parametrize("name", FILES)
def test_every_number_with_a_unit_names_the_unit(name: str) -> None:
    lines = (CONF / name).read_text(encoding="utf-8").splitlines()
    for number, line in enumerate(lines):
        key = line.strip().partition(":")[0]
        if key in {"timeout", "trial_timeout", "idle_time_before_scale_down"}:
            above = lines[number - 1] if lines[number - 1].lstrip().startswith("#") else ""
            assert "seconds" in (line + above).lower(), f"{name}:{number + 1}"


def test_every_group_is_in_the_defaults_and_in_the_schema() -> None:
    entries = OmegaConf.load(CONF / "config.yaml").defaults
    named = {key for entry in entries if not isinstance(entry, str) for key in entry}
    fields = {field.name for field in dataclasses.fields(schema.ExperimentConfig)}
    assert set(GROUPS) <= named
    # A profile fills in other groups.
    assert set(GROUPS) - {"profile"} <= fields


def uncommented_fields(path: Path) -> list[str]:
    """Return the fields of a schema file that have no comment above."""
    source = path.read_text(encoding="utf-8")
    lines = source.splitlines()
    found = []
    for node in ast.parse(source).body:
        if isinstance(node, ast.ClassDef) and dataclasses.is_dataclass(getattr(schema, node.name)):
            kinds = {
                field.name: field.type for field in dataclasses.fields(getattr(schema, node.name))
            }
            for statement in node.body:
                if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
                    name = statement.target.id
                    # A group of fields has its class's docstring.
                    is_group = dataclasses.is_dataclass(kinds[name])
                    above = lines[statement.lineno - 2].lstrip()
                    if not is_group and not above.startswith("#"):
                        found.append(f"{node.name}.{name}")
    return found


@pytest.mark.parametrize("path", SCHEMA_FILES, ids=lambda path: path.stem)
def test_every_field_of_the_schema_has_a_comment(path: Path) -> None:
    assert uncommented_fields(path) == []


def test_one_overlay_or_a_few_overrides_choose_azure() -> None:
    overlay = config("stage=all", "profile=azure")
    overrides = config(
        "stage=all", "workspace=azure", "compute=gpu_cluster", "env=curated", "data=mnist"
    )
    same = {name: getattr(overlay, name) for name in ("given", "chosen", "overrides")}
    assert overlay == dataclasses.replace(overrides, **same)
    assert overlay.workspace.type is schema.WorkspaceType.azure


def test_the_azure_workspace_is_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    names = {
        "AZURE_SUBSCRIPTION_ID": "the-id",
        "AZURE_RESOURCE_GROUP": "the-group",
        "AZUREML_WORKSPACE_NAME": "the-name",
    }
    for name in names:
        monkeypatch.delenv(name, raising=False)
    empty = config("stage=all", "workspace=azure").workspace
    assert (empty.subscription_id, empty.resource_group, empty.workspace_name) == (None,) * 3
    for name, value in names.items():
        monkeypatch.setenv(name, value)
    found = config("stage=all", "workspace=azure").workspace
    assert [found.subscription_id, found.resource_group, found.workspace_name] == list(
        names.values()
    )


def test_an_option_changes_only_its_own_keys() -> None:
    tutorial, wide = config("stage=all"), config("stage=all", "model=wide")
    assert (wide.model.first_layer_neurons, wide.model.second_layer_neurons) == (512, 256)
    assert wide.model.learning_rate == tutorial.model.learning_rate
    assert wide.job.inputs["first_layer_neurons"] == 512
    assert wide.sweep == tutorial.sweep
