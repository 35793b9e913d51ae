"""Which module may import which: the tables below are the rule for every import statement."""

import ast
import functools
import sys
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.support.paths import REPOSITORY

# Parsing all modules takes half a second, so one worker does it for all tests.
pytestmark = pytest.mark.xdist_group("imports")

#: Part of the package -> the parts that it may import; the lowest first.
MAY_IMPORT = {
    "errors": set(),
    "file_locks": set(),
    "interrupts": set(),
    "config": set(),
    "names": set(),
    "status": set(),
    "metrics": set(),
    "templates": {"sweeps"},
    "hidden_imports": set(),
    "hidden_values": set(),
    "orphans": set(),
    "run_module": set(),
    "serving": {"orphans"},
    "sweeps": {"errors", "metrics", "names", "status"},
    "specs": {"config", "sweeps"},
    "azure_files": {"azure_form", "config", "errors", "names", "sweeps", "templates"},
    "experiment": {"config", "hidden_values", "sweeps"},
    "datasets": {"errors", "config"},
    "results": {"metrics", "specs", "status"},
    "workspaces.base": {"config", "specs", "results", "status"},
    "script_options": set(),
    "ignore_rules": {"errors"},
    "snapshot": {"errors", "ignore_rules", "names"},
    "software": set(),
    "same_job": {"errors"},
    "traffic": {"sweeps"},
    "azure_form": {"config", "specs", "sweeps", "templates"},
    "records": {"errors", "config", "status"},
    "build": {"errors", "config", "experiment", "specs", "sweeps", "templates"},
    "past_runs": {"config", "file_locks", "records", "status"},
    "checks": {
        "azure_files",
        "status",
        "build",
        "config",
        "errors",
        "experiment",
        "ignore_rules",
        "names",
        "results",
        "script_options",
        "snapshot",
        "software",
        "specs",
        "sweeps",
        "templates",
        "traffic",
    },
    # The two workspaces import neither stages, nor report, nor cli, nor each other.
    "workspaces.local": {
        "interrupts",
        "file_locks",
        "status",
        "metrics",
        "hidden_imports",
        "errors",
        "config",
        "names",
        "snapshot",
        "same_job",
        "traffic",
        "templates",
        "sweeps",
        "specs",
        "records",
        "datasets",
        "orphans",
        "run_module",
        "serving",
        "software",
        "workspaces.base",
        "results",
    },
    "workspaces.azure": {
        "status",
        "metrics",
        "azure_form",
        "errors",
        "config",
        "specs",
        "datasets",
        "workspaces.base",
        "results",
    },
    "report": {
        "errors",
        "config",
        "metrics",
        "past_runs",
        "status",
        "specs",
        "sweeps",
        "results",
        "records",
        "templates",
        "traffic",
    },
    "drawing": {"errors"},
    "lazy": {
        "config",
        "errors",
        "datasets",
        "drawing",
        "report",
        "workspaces.base",
        "workspaces.local",
        "workspaces.azure",
    },
    "stages": {
        "azure_files",
        "file_locks",
        "status",
        "errors",
        "config",
        "experiment",
        "hidden_values",
        "names",
        "build",
        "checks",
        "azure_form",
        "snapshot",
        "same_job",
        "templates",
        "traffic",
        "specs",
        "sweeps",
        "past_runs",
        "records",
        "lazy",
        "workspaces.base",
        "results",
    },
    "cli": {
        "azure_files",
        "interrupts",
        "file_locks",
        "status",
        "errors",
        "config",
        "experiment",
        "hidden_values",
        "checks",
        "lazy",
        "past_runs",
        "records",
        "report",
        "same_job",
        "stages",
        "names",
        "templates",
        "workspaces.base",
    },
    "api": {
        "file_locks",
        "cli",
        "config",
        "errors",
        "experiment",
        "lazy",
        "metrics",
        "past_runs",
        "records",
        "report",
        "results",
        "stages",
        "status",
        "sweeps",
        "templates",
    },
    "__main__": {"cli"},
    # MLflow loads this module.
    "mlflow_plugin": {"workspaces.local"},
    # What stands in the packages' own __init__.py.
    "": set(),
    "workspaces": set(),
}

#: Library -> the modules that may import it, with all below them.
LIBRARIES = {
    "azure": {"mnist_exp.workspaces.azure"},
    "azureml": {"mnist_exp.workspaces.azure"},
    "httpx": {"mnist_exp.workspaces.local.endpoints"},
    # Modules that only scripts of users import.
    "flask": {"mnist_exp.serving.aml_api"},
    "httptools": {"mnist_exp.serving"},
    "hydra": {"mnist_exp.cli"},
    "keras": {"trainer"},
    "matplotlib": {"mnist_exp.report.figures"},
    "mlflow": {
        "trainer",
        "mnist_exp.workspaces.local.tracking",
        "mnist_exp.mlflow_plugin",
        # In the process that trials are forked from; no module imports it.
        "mnist_exp.workspaces.local.processes.forking.rehearsal",
        "mnist_exp.workspaces.azure",
        # In the place of the user's script, which no module imports.
        "mnist_exp.serving.no_code",
    },
    "mlxtend": {"mnist_exp.datasets"},
    "numpy": {
        "trainer",
        "mnist_exp.api",
        "mnist_exp.datasets",
        "mnist_exp.report.figures",
        "mnist_exp.serving.no_code",
    },
    "omegaconf": {"mnist_exp.cli"},
    "optuna": {"mnist_exp.sweeps"},
    "orjson": {"trainer", "mnist_exp.serving"},
    "packaging": {"mnist_exp.software", "mnist_exp.stages.doctor"},
    "pandas": {"mnist_exp.api", "mnist_exp.serving.no_code"},
    "platformdirs": {"mnist_exp.datasets"},
    "pooch": {"mnist_exp.datasets"},
    "requests": {"mnist_exp.datasets", "mnist_exp.workspaces.azure"},
    "rich": {"mnist_exp.report"},
    "scipy": {"mnist_exp.sweeps"},
    "sqlalchemy": {
        "mnist_exp.workspaces.local.tracking",
        "mnist_exp.workspaces.local.processes.forking.rehearsal",
    },
    "tensorflow": {"trainer"},
    "uv": {"mnist_exp.workspaces.local.environments"},
    "uvloop": {"mnist_exp.serving"},
    "starlette": {"mnist_exp.drawing"},
    "uvicorn": {"mnist_exp.drawing", "mnist_exp.workspaces.local.tracking.server_process"},
    "yaml": {
        "mnist_exp.azure_files",
        "mnist_exp.cli",
        "mnist_exp.software",
        "mnist_exp.stages.import_file",
        "mnist_exp.workspaces.local.environments",
    },
}

#: Where imports may stand inside functions. Their comments say why.
LATE = {
    "mnist_exp.cli.main",
    "mnist_exp.datasets.mirrors",
    "mnist_exp.lazy",
    "mnist_exp.mlflow_plugin",
    "mnist_exp.sweeps.sampling.drawing",
    "mnist_exp.workspaces.azure",
    "mnist_exp.workspaces.azure.run_metrics",
    "mnist_exp.workspaces.local.environments.makers",
    "mnist_exp.workspaces.local.sweep.runner",
    "mnist_exp.workspaces.local.tracking.server_process",
    "mnist_exp.workspaces.local.workspace",
    "trainer.digits.lean",
    "trainer.digits.networks",
    "trainer.digits.run",
    "trainer.digits.scoring",
    "trainer.digits.tracking",
    "trainer.train",
}


@dataclass(frozen=True)
class Import:
    """One imported name, and where it is imported."""

    importer: str
    line: int
    name: str
    is_late: bool

    def __str__(self) -> str:
        return f"{self.importer}:{self.line} imports {self.name}"

    @property
    def library(self) -> str:
        """The top-level package."""
        return self.name.partition(".")[0]


def module_name(path: Path) -> str:
    name = ".".join(path.relative_to(REPOSITORY).with_suffix("").parts)
    return name.removesuffix(".__init__")


MODULES = {
    module_name(path): path
    for root in ("mnist_exp", "trainer")
    for path in sorted((REPOSITORY / root).rglob("*.py"))
}


def full_name(importer: str, name: str) -> str:
    """Return the name that MODULES uses. The trainer's modules import each other as `digits.x`."""
    inside = f"trainer.{name}"
    return inside if importer.startswith("trainer.") and inside in MODULES else name


def imports_of(importer: str, tree: ast.Module) -> Iterator[Import]:
    late = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        for inner in ast.walk(node)
    }
    # Names that only a type checker looks up are no imports.
    unread = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if id(node) in unread:
            continue
        if isinstance(node, ast.Import):
            names = [full_name(importer, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{importer}: relative import"
            # `from mnist_exp import checks` imports a module, `from mnist_exp.x import f` a name.
            module = full_name(importer, str(node.module))
            names = [
                full if (full := f"{module}.{alias.name}") in MODULES else module
                for alias in node.names
            ]
        else:
            continue
        yield from (Import(importer, node.lineno, name, id(node) in late) for name in set(names))


@functools.cache
def all_imports() -> Sequence[Import]:
    """Return the imports of all modules."""
    return [
        found
        for name, path in MODULES.items()
        for found in imports_of(name, ast.parse(path.read_text(encoding="utf-8")))
    ]


def part_of(name: str) -> str:
    """Return the part of the package that a module belongs to, as MAY_IMPORT names it."""
    parts = name.split(".")[1:]
    if parts[:1] == ["workspaces"]:
        return ".".join(parts[:2])
    return parts[0] if parts else ""


def is_below(name: str, allowed: set[str]) -> bool:
    return any(name == one or name.startswith(f"{one}.") for one in allowed)


def test_the_tests_see_modules_and_imports() -> None:
    assert len(MODULES) > 50
    assert len(all_imports()) > 300
    assert any(found.is_late for found in all_imports())
    assert any(found.name == "trainer.digits.run" for found in all_imports())


def test_every_part_is_in_the_table() -> None:
    parts = {part_of(name) for name in MODULES if name.startswith("mnist_exp")}
    assert parts == set(MAY_IMPORT)


def test_the_table_has_no_cycle() -> None:
    seen: set[str] = set()
    while len(seen) < len(MAY_IMPORT):
        ready = {part for part, below in MAY_IMPORT.items() if part not in seen and below <= seen}
        assert ready, f"a cycle among {set(MAY_IMPORT) - seen}"
        seen |= ready


def test_no_modules_import_each_other_in_a_circle() -> None:
    imported = {name: set[str]() for name in MODULES}
    for found in all_imports():
        # A late import counts too: the two modules still depend on each other.
        if found.name in MODULES and found.name != found.importer:
            imported[found.importer].add(found.name)
    done: set[str] = set()
    while ready := {name for name, others in imported.items() if others <= done} - done:
        done |= ready
    circle = {name: sorted(others - done) for name, others in imported.items() if name not in done}
    assert circle == {}


def test_parts_import_only_what_stands_below_them() -> None:
    wrong = [
        str(found)
        for found in all_imports()
        if found.importer.startswith("mnist_exp")
        and found.library == "mnist_exp"
        # The package itself holds nothing but its version.
        and part_of(found.name) not in {"", part_of(found.importer)}
        and part_of(found.name) not in MAY_IMPORT[part_of(found.importer)]
    ]
    assert wrong == []


def test_libraries_are_imported_only_where_they_belong() -> None:
    wrong = [
        str(found)
        for found in all_imports()
        if found.library in LIBRARIES and not is_below(found.importer, LIBRARIES[found.library])
    ]
    assert wrong == []


def test_every_library_is_in_the_table() -> None:
    ours = {"mnist_exp", "trainer", *LIBRARIES, *sys.stdlib_module_names}
    strange = [str(found) for found in all_imports() if found.library not in ours]
    assert strange == []


def test_the_tables_allow_only_existing_imports() -> None:
    parts = {(part_of(found.importer), part_of(found.name)) for found in all_imports()}
    below = {(part, other) for part, others in MAY_IMPORT.items() for other in others}
    assert below - parts == set()
    libraries = {(one, place) for one, places in LIBRARIES.items() for place in places}
    used = {
        (one, place)
        for one, place in libraries
        for found in all_imports()
        if found.library == one and is_below(found.importer, {place})
    }
    assert libraries - used == set()
    assert {found.importer for found in all_imports() if found.is_late} == LATE


def test_every_library_is_declared() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = [*project["dependencies"], *project["optional-dependencies"]["azure"]]
    declared = {canonicalize_name(Requirement(line).name) for line in lines}
    providers = packages_distributions()
    undeclared = [
        library
        for library in {found.library for found in all_imports()} & set(LIBRARIES)
        # A library that is not installed here has the name of its distribution.
        if not declared & {canonicalize_name(name) for name in providers.get(library, [library])}
    ]
    # TensorFlow brings Keras, in the version that it fits.
    assert sorted(undeclared) == ["keras"]


def test_trainer_and_package_do_not_import_each_other() -> None:
    wrong = [
        str(found)
        for found in all_imports()
        if (found.importer.startswith("trainer") and found.library == "mnist_exp")
        or (found.importer.startswith("mnist_exp") and found.library == "trainer")
    ]
    assert wrong == []


def test_the_package_itself_imports_nothing_that_takes_long() -> None:
    # The processes of jobs and endpoints import the package too.
    names = {found.name for found in all_imports() if found.importer == "mnist_exp"}
    assert names <= {"importlib", "typing"}


def test_only_a_few_modules_import_inside_functions() -> None:
    assert {found.importer for found in all_imports() if found.is_late} <= LATE


@pytest.mark.parametrize("name", sorted(LATE - {"mnist_exp.lazy"}))
def test_late_imports_are_explained(name: str) -> None:
    # A comment or docstring that speaks of importing.
    assert "import" in "\n".join(
        line
        for line in MODULES[name].read_text(encoding="utf-8").splitlines()
        if not line.lstrip().startswith(("import ", "from "))
    )
