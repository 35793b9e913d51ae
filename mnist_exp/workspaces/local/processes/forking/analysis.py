"""Read a trial's command and script without running the script.

The analysis finds out whether a fork can run the command, and which installed libraries the script
imports.
"""

import ast
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from importlib.machinery import all_suffixes
from pathlib import Path

#: Characters outside single quotes that a shell and `shlex.split` interpret in the same way.
_PLAIN = re.compile(r"[\w@%+=:,./\-\s]*", re.ASCII)
_QUOTED = re.compile(r"'[^']*'")
#: Prefix of the environment variables that Python reads when Python starts. A fork does not start
#: Python again, so such variables have no effect in a fork.
_EARLY = "PYTHON"
#: Variables with this prefix that do not prevent a fork, because a fork can ignore them.
#: Trials run in virtual environments, which do not read PYTHONUSERBASE.
_HARMLESS = frozenset({"PYTHONUNBUFFERED", "PYTHONIOENCODING", "PYTHONHASHSEED", "PYTHONUSERBASE"})

#: Libraries that are slow to import and safe to fork after the import.
_SLOW = ("numpy", "pandas", "scipy", "sklearn", "torch", "keras", "tensorflow")
#: Library -> its own name, the slowest library first.
_TITLES = {
    "tensorflow": "TensorFlow",
    "torch": "PyTorch",
    "keras": "Keras",
    "sklearn": "scikit-learn",
    "scipy": "SciPy",
    "pandas": "pandas",
}
_SCRIPT = re.compile(r"(?:^|\s)python3? (\S+\.py)\b")
#: The function that rehearses MLflow's first calls, in the notation of `preload.py`. The function
#: reads the store.
REHEARSAL = "mnist_exp.workspaces.local.processes.forking.rehearsal:rehearse"
#: Modules that the fork server imports for MLflow, in the notation of `preload.py`. Without these
#: imports, each fork would import the modules itself.
_TRACKING = (
    "mlflow",
    "mlflow.tracking.fluent",
    REHEARSAL,
)
_KERAS = "keras"
#: MLflow's plugin for Azure. MLflow always loads the plugin if the plugin is installed. A store on
#: this machine does not use the plugin.
_AZURE, _PLUGIN = "azureml", "azureml.mlflow"


def python_call(command: str, environment: Mapping[str, str]) -> list[str] | None:
    """Return the script and its arguments if the command is `python SCRIPT.py ...`, else None.

    None means that a fork cannot run the command. There are four possible reasons:

    - The command starts another program than Python.
    - The command passes options to Python.
    - The command needs a shell.
    - An environment variable changes how Python starts.
    """
    if any(name.startswith(_EARLY) and name not in _HARMLESS for name in environment):
        return None
    # `shlex.quote` writes a single quote within a word as '"'"'. Remove these sequences first.
    bare = _QUOTED.sub("", command.replace('"\'"', ""))
    if not _PLAIN.fullmatch(bare) or "\n" in bare:
        return None
    words = shlex.split(command)
    if len(words) < 2 or words[0] not in {"python", "python3"} or not words[1].endswith(".py"):
        return None
    return words[1:] if not words[1].startswith("-") else None


def slow_library(code: Path | None, command: str) -> str:
    """Return the name of the slowest library that a command's script imports; empty if unknown.

    Args:
        code: The folder that the job runs in.
        command: The command, which may contain placeholders.
    """
    script = _SCRIPT.search(command)
    if code is None or script is None:
        return ""
    imported = {name.partition("~")[0] for name in libraries_of(code, script[1])}
    return next((title for name, title in _TITLES.items() if name in imported), "")


def own_modules(folder: Path) -> set[str]:
    """Return the names of the modules and packages in a script's folder.

    Python imports these names from the folder, even if an installed library has the same name. A
    subfolder without an `__init__` module is left out. Such a subfolder is a namespace package, and
    Python prefers an installed library to a namespace package of the same name.
    https://docs.python.org/3/reference/import.html
    """
    paths = folder.iterdir() if folder.is_dir() else ()
    return {name for path in paths if (name := _module_name(path))}


def _module_name(path: Path) -> str | None:
    """Return the name under which Python imports a path; None if Python cannot import the path."""
    if path.is_dir():
        is_package = any((path / f"__init__{suffix}").is_file() for suffix in all_suffixes())
        return path.name if is_package else None
    stems = [path.name.removesuffix(end) for end in all_suffixes() if path.name.endswith(end)]
    # Two suffixes fit `numpy.abi3.so`: `.so` and `.abi3.so`. The shortest stem is the module's
    # name. A module whose name contains a dot cannot be imported.
    stem = min(stems, key=len, default="")
    return stem if stem.isidentifier() else None


def libraries_of(code: Path, script: str) -> list[str]:
    """Return the modules that the fork server imports, in the notation of `preload.py`.

    For the script itself, imports at the top and imports inside functions count. For the script's
    own modules (the modules in the script's folder), only imports at the top count. MLflow is an
    exception: every import of MLflow counts, because a trial that logs metrics will need MLflow.

    TensorFlow is imported without Keras, unless a module uses Keras. Importing Keras would double
    the import time. MLflow is imported without its plugin for Azure, unless a module uses this
    plugin.

    Args:
        code: The folder that the job runs in.
        script: The script's path, relative to `code`.
    """
    found, everywhere = _Libraries(code, Path(script)), _Libraries(code, Path(script), late=True)
    found.follow(Path(script), late=True)
    everywhere.follow(Path(script), late=True)
    own = own_modules((code / script).parent)
    wanted = [name for name in _SLOW if name in found.names and name not in own]
    if "tensorflow" in wanted and _KERAS not in found.names:
        wanted[wanted.index("tensorflow")] = f"tensorflow~{_KERAS}"
    if "mlflow" not in everywhere.names - own:
        return wanted
    hidden = "" if _AZURE in everywhere.names else f"~{_PLUGIN}"
    return [*wanted, *(f"{name}{hidden}" for name in _TRACKING)]


class _Libraries:
    """The libraries that a script and the modules beside the script import.

    Args:
        code: The folder that the job runs in.
        script: The script's path, relative to `code`.
        late: Whether to include imports inside functions, for the modules beside the script.
    """

    def __init__(self, code: Path, script: Path, *, late: bool = False) -> None:
        self.names: set[str] = set()
        self._late = late
        self._code = code
        #: The folder that Python searches first.
        self._folder = script.parent
        self._seen: set[Path] = set()

    def follow(self, path: Path, *, late: bool = False) -> None:
        """Add the libraries that a module imports.

        Args:
            path: The module's file, relative to the job's folder.
            late: Whether to include imports inside the module's functions.
        """
        if path in self._seen:
            return
        self._seen.add(path)
        try:
            tree = ast.parse((self._code / path).read_bytes())
        except (OSError, SyntaxError, ValueError):
            # Ignore an unreadable module. Python reports the fault when the trial runs.
            return
        for name in _imports(tree, path.parent.relative_to(self._folder).parts, late=late):
            self.names.add(name.partition(".")[0])
            self._follow_own(name)
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and node.attr == _KERAS:
                self.names.add(_KERAS)
            if isinstance(node, ast.Constant) and f"{_AZURE}:" in str(node.value):
                self.names.add(_AZURE)

    def _follow_own(self, name: str) -> None:
        """Analyze the modules beside the script that the import of `name` would load."""
        folder = self._folder
        for part in name.split("."):
            self.follow(folder / f"{part}.py", late=self._late)
            folder = folder / part
            self.follow(folder / "__init__.py", late=self._late)


def _imports(tree: ast.Module, package: Sequence[str], *, late: bool) -> Iterator[str]:
    """Yield the absolute name of each import in a module.

    Args:
        tree: The syntax tree of the module.
        package: The names of the packages that contain the module, outermost first.
        late: Whether to include imports inside functions.
    """
    nodes: list[ast.AST] = list(tree.body)
    while nodes:
        node = nodes.pop()
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            module = [*above, *([node.module] if node.module else [])]
            # The imported object may be a submodule, so yield the full name.
            yield from (".".join([*module, alias.name]) for alias in node.names)
            if any(alias.name == _KERAS for alias in node.names):
                yield _KERAS
        elif late or not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            nodes += ast.iter_child_nodes(node)
