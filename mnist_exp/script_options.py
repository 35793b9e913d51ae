"""Find the options that a Python script declares, without running the script.

A script gets its inputs as options, e.g. `--learning-rate 0.1`. If the script declares
`--learning_rate`, argparse does not know `--learning-rate`: argparse ends the script or, with
`parse_known_args`, silently ignores this option. The functions read the source of the script and of
the modules beside the script.
"""

import ast
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

_OPTION = re.compile(r"--[A-Za-z][\w.-]*")
_IMPORT = re.compile(r"^[ \t]*(?:from|import)[ \t]+\.*([\w.]+)", re.MULTILINE)
#: A source that declares options contains one of these names. All other sources are skipped, which
#: saves time.
_PARSERS = ("add_argument", "DEFINE_", "click", "hydra", "known", "remaining", "from_cli")
#: Libraries that derive options from the fields of a dataclass or the parameters of a function.
_DERIVING = re.compile(
    r"HfArgumentParser|\b(?:cyclopts|fire|jsonargparse|simple_parsing|tyro|typer)\b"
)
#: Endings of class names. Such a library may also read the fields of a class with this ending.
_SETTINGS = ("Args", "Arguments", "Config")
#: Words in a source that may read the command line, or the environment variables of the job. A
#: script without any of these words cannot read its arguments.
_READS = re.compile(
    r"argv|(?<![\w*])args|(?<![sS])pars|Pars|click|typer|fire|tyro|absl|hydra|getopt|docopt|cyclopts"
    r"|(?i:flags)|CLI|(?<![A-Za-z])[Cc]li(?![a-z])|exec\(|runpy|\.main\(|import main|\.run\("
    r"|AZURE_?ML_|getenv|environ\b(?!\[[^]]*\]\s*=[^=])"
)
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
        derived: The names from which a library, e.g. tyro, may derive options. The set is empty if
            the script uses no such library.
        lenient: The method or setting, e.g. `parse_known_args`, with which the script ignores
            options that it does not declare; empty if the script does not ignore such options.
        reads_key_value: The library that reads `key=value` from the command line; may be empty.
        abbreviates: Whether argparse reads the command line, and accepts the beginnings of options.
        reads_nothing: Whether the script certainly does not read its command line.
    """

    declared: frozenset[str] = frozenset()
    derived: frozenset[str] = frozenset()
    lenient: str = ""
    reads_key_value: str = ""
    abbreviates: bool = False
    reads_nothing: bool = False

    def accepts(self, option: str) -> bool:
        """Return whether the script declares `option`, or a longer name that begins with `option`.

        argparse also accepts the beginning of an option's name.
        """
        name = option.lstrip("-").replace("-", "_")
        return option in self.declared or name in self.derived or bool(self.longer_names(option))

    def longer_names(self, option: str) -> list[str]:
        """Return the declared options whose names begin with `option` and are longer."""
        return sorted(name for name in self.declared - {option} if name.startswith(option))


def script_options(code: Path, script: str) -> ScriptOptions:
    """Return the options of a script.

    Args:
        code: The code folder.
        script: The path of the script, relative to `code`.
    """
    return _declared_options(tuple(_sources(code / script)))


@lru_cache(maxsize=16)
def _declared_options(sources: tuple[str, ...]) -> ScriptOptions:
    """Return the options that a script with these sources declares.

    The result is cached, because a command checks its arguments twice: for faults and for warnings.
    """
    derives = any(_DERIVING.search(source) for source in sources)
    found = [_options_in(source, derives=derives) for source in sources]
    derived = frozenset().union(*(each.derived for each in found))
    lenient = next((each.lenient for each in found if each.lenient), "")
    return ScriptOptions(
        declared=frozenset().union(*(each.declared for each in found)),
        derived=derived,
        # A class of a library may have more fields, which the sources do not show.
        lenient="" if _has_unknown_fields(sources, derives=derives) else lenient,
        reads_key_value=next((each.reads_key_value for each in found if each.reads_key_value), ""),
        abbreviates=any(each.abbreviates for each in found),
        reads_nothing=bool(sources) and not any(_READS.search(source) for source in sources),
    )


def _options_in(source: str, *, derives: bool) -> ScriptOptions:
    """Return the options in the source of one module.

    Args:
        source: The source.
        derives: Whether the script uses a library that derives options.
    """
    if not derives and not any(name in source for name in _PARSERS):
        return ScriptOptions()
    tree = _parsed(source)
    lenient = next(_lenient(tree), "")
    return ScriptOptions(
        declared=frozenset(_options(tree)),
        derived=frozenset(_derived(tree)) if derives else frozenset(),
        lenient=lenient or ("**kwargs" if derives and _takes_any_option(tree) else ""),
        reads_key_value=_key_value_reader(tree),
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


def _derived(tree: ast.Module) -> Iterator[str]:
    """Yield the names of fields and parameters, and the keys of `**kwargs`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            yield node.target.id
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def _takes_any_option(tree: ast.Module) -> bool:
    """Return whether a function has the parameter `**kwargs`."""
    return any(isinstance(node, ast.arguments) and node.kwarg for node in ast.walk(tree))


def _has_unknown_fields(sources: Sequence[str], *, derives: bool) -> bool:
    """Return whether a script uses a settings class of a library, e.g. `TrainingArguments`."""
    text = "\n".join(sources) if derives else ""
    used = {name for name in re.findall(r"\b[A-Z]\w+", text) if name.endswith(_SETTINGS)}
    return bool(used - set(re.findall(r"\bclass[ \t]+(\w+)", text)))


def _key_value_reader(tree: ast.Module) -> str:
    """Return the library that reads `key=value` from the command line; empty if there is none."""
    if _has_hydra_main(tree):
        return "Hydra"
    calls = (node for node in ast.walk(tree) if isinstance(node, ast.Call) and not node.args)
    return "OmegaConf" if any(_called(call) == "from_cli" for call in calls) else ""


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
