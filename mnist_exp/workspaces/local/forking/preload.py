"""Which installed libraries a script will import, found without running it."""

import ast
from collections.abc import Iterator, Sequence
from pathlib import Path

from mnist_exp.workspaces.local.forking.namesakes import own_modules

#: Slow to import, and safe to be forked afterwards.
_SLOW = ("numpy", "pandas", "scipy", "sklearn", "torch", "keras", "tensorflow")
#: What MLflow imports at the first call.
_TRACKING = (
    "mlflow",
    "mlflow.tracking.fluent",
    "mnist_exp.workspaces.local.forking.rehearsal:rehearse",
)
_KERAS = "keras"
#: MLflow loads it wherever it is installed; a store on this machine never needs it.
_AZURE, _PLUGIN = "azureml", "azureml.mlflow"


def libraries_of(code: Path, script: str) -> list[str]:
    """Return what to import beforehand, in `server.py`'s words.

    Modules beside the script are followed by their imports at the top, the script itself by those
    inside its functions too; MLflow is looked for in all of them everywhere, since whoever logs
    needs it sooner or later. TensorFlow is imported without Keras, which takes as long again,
    unless one of them speaks of Keras; MLflow without its plugin for Azure, unless one of them
    speaks of that.

    Args:
        code: The folder that the job runs in.
        script: Relative to it.
    """
    found, everywhere = _Names(code, Path(script)), _Names(code, Path(script), late=True)
    found.follow(Path(script), late=True)
    everywhere.follow(Path(script), late=True)
    own = own_modules((code / script).parent)
    wanted = [name for name in _SLOW if name in found.libraries and name not in own]
    if "tensorflow" in wanted and _KERAS not in found.libraries:
        wanted[wanted.index("tensorflow")] = f"tensorflow~{_KERAS}"
    if "mlflow" not in everywhere.libraries - own:
        return wanted
    hidden = "" if _AZURE in everywhere.libraries else f"~{_PLUGIN}"
    return [*wanted, *(f"{name}{hidden}" for name in _TRACKING)]


class _Names:
    """Collects the libraries that a folder's modules import; with `late`, inside functions too."""

    def __init__(self, code: Path, script: Path, *, late: bool = False) -> None:
        self.libraries: set[str] = set()
        self._late = late
        self._code = code
        #: Python looks for modules beside the script first.
        self._folder = script.parent
        self._seen: set[Path] = set()

    def follow(self, path: Path, *, late: bool = False) -> None:
        """Take in a module's imports; with `late`, those inside functions too."""
        if path in self._seen:
            return
        self._seen.add(path)
        try:
            tree = ast.parse((self._code / path).read_bytes())
        except (OSError, SyntaxError, ValueError):
            # The script will say so itself.
            return
        for name in _imports(tree, path.parent.relative_to(self._folder).parts, late=late):
            self.libraries.add(name.partition(".")[0])
            self._follow_own(name)
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and node.attr == _KERAS:
                self.libraries.add(_KERAS)
            if isinstance(node, ast.Constant) and f"{_AZURE}:" in str(node.value):
                self.libraries.add(_AZURE)

    def _follow_own(self, name: str) -> None:
        """Follow an imported name to the files of the code folder that Python would load for it."""
        folder = self._folder
        for part in name.split("."):
            self.follow(folder / f"{part}.py", late=self._late)
            folder = folder / part
            self.follow(folder / "__init__.py", late=self._late)


def _imports(tree: ast.Module, package: Sequence[str], *, late: bool) -> Iterator[str]:
    """Yield the absolute name of all that a module of `package` imports."""
    nodes: list[ast.AST] = list(tree.body)
    while nodes:
        node = nodes.pop()
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            module = [*above, *([node.module] if node.module else [])]
            # Each name may be a module of a package.
            yield from (".".join([*module, alias.name]) for alias in node.names)
            if any(alias.name == _KERAS for alias in node.names):
                yield _KERAS
        elif late or not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            nodes += ast.iter_child_nodes(node)
