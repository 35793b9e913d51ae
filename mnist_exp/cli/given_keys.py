"""The config keys and config groups that overrides set."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Transformer
from omegaconf import DictConfig

from mnist_exp.cli.arguments import override_key
from mnist_exp.cli.config_paths import config_content, option_files, task_overrides

#: The file of the default option of each group that may name a model, an endpoint or a deployment.
_DEFAULT_OPTION = "tutorial.yaml"
#: The beginning of an entry of a defaults list that chooses the option of another group.
_OTHER_GROUP = "override /"


def given_keys(overrides: Sequence[str]) -> Iterator[str]:
    """Yield each key that the overrides set or delete. For a mapping, yield its entries' keys."""
    for override in OverridesParser.create().parse_overrides(list(overrides)):
        value = None if override.is_delete() else override.value()
        yield from _keys(override.get_key_element().lstrip("+~"), value)


def split_override(override: str) -> Iterator[str]:
    """Yield an override for each entry of a mapping, e.g. `a.b=1` and `a.c=2` for `a={b:1,c:2}`.

    Another override stays as written, as does a mapping whose keys cannot be part of a dotted key.
    """
    (parsed,) = OverridesParser.create().parse_overrides([override])
    value: Any = parsed._value
    if not _is_splittable(value):
        yield override
        return
    for name, part in value.items():
        yield from split_override(f"{parsed.get_key_element()}.{name}={Transformer.str(part)}")


def _is_splittable(value: Any) -> bool:
    return (
        isinstance(value, dict) and bool(value) and all(str(name).isidentifier() for name in value)
    )


def chosen_keys(hydra_config: DictConfig) -> dict[str, tuple[str, ...]]:
    """Return the config keys that the command line sets with config groups.

    The keys of a default option do not count, because every command has these keys.

    Returns:
        Config group on the command line -> the keys in the files of its option.
    """
    groups = map(override_key, task_overrides(hydra_config))
    found = {group: tuple(_keys_of_group(hydra_config, group)) for group in groups}
    return {group: keys for group, keys in found.items() if keys}


def _keys_of_group(hydra_config: DictConfig, group: str) -> Iterator[str]:
    for path, package in option_files(hydra_config, group):
        content = config_content(path)
        for entry in content.get("defaults") or []:
            for name in map(str, entry if isinstance(entry, dict) else ()):
                if name.startswith(_OTHER_GROUP):
                    yield from _keys_of_group(hydra_config, name.removeprefix(_OTHER_GROUP))
        if path.name != _DEFAULT_OPTION:
            own = {name: part for name, part in content.items() if name != "defaults"}
            yield from _keys(package, own)


def _keys(key: str, value: Any) -> Iterator[str]:
    if not isinstance(value, Mapping) or not value:
        yield key
        return
    for name, part in value.items():
        yield from _keys(f"{key}.{name}" if key else str(name), part)
