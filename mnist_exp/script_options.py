"""Find the options that a Python script declares, without running the script.

A script gets its inputs as options, e.g. `--learning-rate 0.1`. If the script declares
`--learning_rate`, argparse either ends the script, or (with `parse_known_args`) silently ignores
the option. The functions read the source of the script and of the modules beside the script.
"""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_OPTION = re.compile(r"--[A-Za-z][\w.-]*")
_IMPORT = re.compile(r"^[ \t]*(?:from|import)[ \t]+\.*([\w.]+)", re.MULTILINE)
#: A source that declares options contains one of these names. All other sources are skipped, which
#: saves time.
_PARSERS = ("add_argument", "DEFINE_", "click", "parse_known", "hydra")


@dataclass(frozen=True)
class ScriptOptions:
    """The options that a script declares.

    Attributes:
        declared: The options, with their dashes. The set is empty if no declaration was found.
        ignores_unknown: Whether the script calls `parse_known_args`, which ignores options that
            the script does not declare.
        uses_hydra: Whether Hydra reads the command line of the script.
    """

    declared: frozenset[str] = frozenset()
    ignores_unknown: bool = False
    uses_hydra: bool = False

    def accepts(self, option: str) -> bool:
        """Return whether the script declares `option`, or a longer name that begins with `option`.

        argparse also accepts the beginning of an option's name.
        """
        return any(name.startswith(option) for name in self.declared)


def script_options(code: Path, script: str) -> ScriptOptions:
    """Return the options of a script.

    Args:
        code: The code folder.
        script: The path of the script, relative to `code`.
    """
    declared: set[str] = set()
    ignores_unknown = uses_hydra = False
    for source in _sources(code / script):
        if not any(name in source for name in _PARSERS):
            continue
        tree = _parsed(source)
        declared |= set(_options(tree))
        names = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
        ignores_unknown |= "parse_known_args" in names
        uses_hydra |= _has_hydra_main(tree)
    return ScriptOptions(frozenset(declared), ignores_unknown, uses_hydra)


def _sources(script: Path) -> Iterator[str]:
    """Yield the source of a script, and of each imported module in the script's folder."""
    folder, paths, seen = script.parent, [script], set[Path]()
    while paths:
        path = paths.pop()
        if path in seen:
            continue
        seen.add(path)
        try:
            source = path.read_text(encoding="utf-8")
        except (OSError, ValueError):
            continue
        yield source
        for name in _IMPORT.findall(source):
            for base in {folder, path.parent}:
                module = base.joinpath(*name.split("."))
                paths += [module.with_suffix(".py"), module / "__init__.py"]


def _parsed(source: str) -> ast.Module:
    try:
        return ast.parse(source)
    except (SyntaxError, ValueError):
        # Python reports the fault when the job runs.
        return ast.Module([], [])


def _options(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            if _OPTION.fullmatch(node.value):
                yield node.value
        elif isinstance(node, ast.Call) and _called(node).startswith("DEFINE_"):
            # absl-py declares the option --x with DEFINE_float("x", ...).
            first = node.args[0] if node.args else None
            if isinstance(first, ast.Constant) and isinstance(first.value, str):
                yield f"--{first.value}"


def _called(call: ast.Call) -> str:
    return getattr(call.func, "attr", getattr(call.func, "id", ""))


def _has_hydra_main(tree: ast.Module) -> bool:
    return any(
        isinstance(node, ast.Attribute)
        and node.attr == "main"
        and isinstance(node.value, ast.Name)
        and node.value.id == "hydra"
        for node in ast.walk(tree)
    )
