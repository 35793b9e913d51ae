"""Find the options that a Python script declares, without running the script.

A script gets its inputs as options, e.g. `--learning-rate 0.1`. If the script declares
`--learning_rate`, argparse does not know `--learning-rate`: argparse ends the script or, with
`parse_known_args`, silently ignores this option. The functions read the source of the script and of
the modules beside the script.
"""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

_OPTION = re.compile(r"--[A-Za-z][\w.-]*")
_IMPORT = re.compile(r"^[ \t]*(?:from|import)[ \t]+\.*([\w.]+)", re.MULTILINE)
#: A source that declares options contains one of these names. All other sources are skipped, which
#: saves time.
_PARSERS = ("add_argument", "DEFINE_", "click", "typer", "hydra", "known", "remaining")
#: Methods of parsers, and settings of parsers, that let a script ignore unknown options.
_LENIENT_METHODS = ("parse_known_args", "parse_known_intermixed_args")
_LENIENT_SETTINGS = (
    "ignore_unknown_options",  # click and typer
    "known_only",  # absl-py
    "return_remaining_strings",  # transformers
    "return_unknown_args",  # tyro
)


@dataclass(frozen=True)
class ScriptOptions:
    """The options that a script declares.

    Attributes:
        declared: The options, with their dashes. The set is empty if no declaration was found.
        lenient: The method or setting, e.g. `parse_known_args`, with which the script ignores
            options that it does not declare; empty if the script does not ignore such options.
        uses_hydra: Whether Hydra reads the command line of the script.
        abbreviates: Whether argparse reads the command line, and accepts the beginnings of options.
    """

    declared: frozenset[str] = frozenset()
    lenient: str = ""
    uses_hydra: bool = False
    abbreviates: bool = False

    def accepts(self, option: str) -> bool:
        """Return whether the script declares `option`, or a longer name that begins with `option`.

        argparse also accepts the beginning of an option's name.
        """
        return bool(self.longer_names(option)) or option in self.declared

    def longer_names(self, option: str) -> list[str]:
        """Return the declared options whose names begin with `option` and are longer."""
        return sorted(name for name in self.declared - {option} if name.startswith(option))


def script_options(code: Path, script: str) -> ScriptOptions:
    """Return the options of a script.

    Args:
        code: The code folder.
        script: The path of the script, relative to `code`.
    """
    found = [_options_in(source) for source in _sources(code / script)]
    return ScriptOptions(
        declared=frozenset().union(*(each.declared for each in found)),
        lenient=next((each.lenient for each in found if each.lenient), ""),
        uses_hydra=any(each.uses_hydra for each in found),
        abbreviates=any(each.abbreviates for each in found),
    )


@lru_cache(maxsize=256)
def _options_in(source: str) -> ScriptOptions:
    """Return the options in the source of one module.

    The result is cached, because a command checks its arguments twice: for faults and for warnings.
    """
    if not any(name in source for name in _PARSERS):
        return ScriptOptions()
    tree = _parsed(source)
    return ScriptOptions(
        declared=frozenset(_options(tree)),
        lenient=next(_lenient(tree), ""),
        uses_hydra=_has_hydra_main(tree),
        abbreviates="argparse" in source and "allow_abbrev" not in source,
    )


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


def _lenient(tree: ast.Module) -> Iterator[str]:
    """Yield the methods and settings with which a module ignores unknown options."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in _LENIENT_METHODS:
            yield node.attr
        elif isinstance(node, ast.keyword) and node.arg in _LENIENT_SETTINGS and _is_on(node.value):
            yield node.arg
        elif isinstance(node, ast.Dict):
            for key, value in zip(node.keys, node.values, strict=True):
                is_setting = isinstance(key, ast.Constant) and key.value in _LENIENT_SETTINGS
                if is_setting and _is_on(value):
                    yield str(getattr(key, "value", ""))


def _is_on(value: ast.expr) -> bool:
    return not (isinstance(value, ast.Constant) and not value.value)


def _has_hydra_main(tree: ast.Module) -> bool:
    """Return whether a module uses `hydra.main`, which may be imported under any name."""
    nodes = list(ast.walk(tree))
    modules = {
        alias.asname or alias.name
        for node in nodes
        if isinstance(node, ast.Import)
        for alias in node.names
        if alias.name == "hydra"
    }
    functions = {
        alias.asname or alias.name
        for node in nodes
        if isinstance(node, ast.ImportFrom) and node.module in ("hydra", "hydra.main")
        for alias in node.names
        if alias.name == "main"
    }
    return any(
        (isinstance(node, ast.Name) and node.id in functions)
        or (
            isinstance(node, ast.Attribute)
            and node.attr == "main"
            and isinstance(node.value, ast.Name)
            and node.value.id in modules
        )
        for node in nodes
    )
