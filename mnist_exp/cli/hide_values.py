"""Hide the values of environment variables in overrides, and in the configs that Hydra writes."""

from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, QuotedString, Transformer
from omegaconf import DictConfig, OmegaConf, open_dict, read_write

from mnist_exp.cli.arguments import override_key
from mnist_exp.cli.config_paths import task_overrides
from mnist_exp.hidden_values import VARIABLES, shown_value, shown_values, variable_name
from mnist_exp.records import write_text

#: The files that Hydra writes for each run.
_FILES = ("config.yaml", "hydra.yaml", "overrides.yaml")
#: The last part of each key in `VARIABLES`.
_KEY = "environment_variables"
#: A mapping of Hydra from config key to the values of a multirun.
_PARAMS = "hydra.sweeper.params"


def hidden_override(override: str) -> str:
    """Return an override without the values of environment variables."""
    # Most overrides set no variables. Do not parse these overrides, because parsing is slow.
    if _KEY not in override:
        return override
    (parsed,) = OverridesParser.create().parse_overrides([override])
    value: Any = parsed._value
    parts = value.list if isinstance(value, ChoiceSweep) else [value]
    hidden = [_hidden(parsed.key_or_group, part) for part in parts]
    if not any(hidden):
        return override
    texts = (text or Transformer.str(part) for text, part in zip(hidden, parts, strict=True))
    return f"{parsed.get_key_element()}={','.join(dict.fromkeys(texts))}"


def hide_values(config: DictConfig) -> None:
    """Hide the values in a composed config and in its `hydra` node."""
    with read_write(config), open_dict(config):
        for mapping in VARIABLES:
            found: Any = config
            for name in mapping.split("."):
                found = found._get_node(name) if isinstance(found, DictConfig) else None
            for name, text in shown_values(_written(found)).items():
                found[name] = text
        if "hydra" in config:
            hide_override_dirname(config.hydra)
            for kind, overrides in _written(config.hydra.overrides).items():
                config.hydra.overrides[kind] = [hidden_override(str(text)) for text in overrides]
            params = config.hydra.sweeper.get("params")
            for key, value in _written(params).items():
                params[key] = hidden_override(f"{key}={value}").partition("=")[2]


def hide_override_dirname(hydra_config: DictConfig) -> None:
    """Omit the environment variables from `hydra.job.override_dirname`.

    A run folder may have this text as its name, with the values of all interpolations.
    """
    overrides = task_overrides(hydra_config)
    shown = [text for text in overrides if _KEY not in text]
    if shown == overrides:
        return
    job = hydra_config.job
    settings = job.config.override_dirname
    parts = sorted(text for text in shown if override_key(text) not in settings.exclude_keys)
    with read_write(job), open_dict(job):
        job.override_dirname = settings.item_sep.join(parts).replace("=", settings.kv_sep)


def hide_values_of_variant(hydra_config: DictConfig) -> None:
    """Hide the values in the files that Hydra has written for a variant of a multirun."""
    if hydra_config.output_subdir is not None:
        for name in _FILES:
            folder = Path(hydra_config.runtime.output_dir, hydra_config.output_subdir)
            hide_values_of_file(folder / name)


def hide_values_of_file(path: Path) -> None:
    """Hide the values in a file with a config or with overrides, if the file exists."""
    # Most files set no variables. Do not parse these files, because parsing is slow.
    if not path.is_file() or _KEY.encode() not in path.read_bytes():
        return
    content: Any = OmegaConf.load(path)
    if isinstance(content, DictConfig):
        hide_values(content)
    else:
        overrides: Any = OmegaConf.to_container(content, resolve=False)
        content = OmegaConf.create([hidden_override(str(text)) for text in overrides])
    write_text(path, OmegaConf.to_yaml(content))


def _hidden(key: str, value: Any) -> str | None:
    """Return the text of an override's value without the values of environment variables.

    Args:
        key: The key that the override sets.
        value: The value, as Hydra's parser returns it.

    Returns:
        None if the value contains no values of environment variables.
    """
    name = variable_name(key.removeprefix(f"{_PARAMS}."))
    if name is not None:
        written = value.text if isinstance(value, QuotedString) else value
        shown = shown_value(name, written)
        return None if shown is written else str(shown)
    parts = value if isinstance(value, dict) else {}
    hidden = {inner: _hidden(f"{key}.{inner}", part) for inner, part in parts.items()}
    if not any(hidden.values()):
        return None
    pairs = (f"{inner}:{hidden[inner] or Transformer.str(part)}" for inner, part in parts.items())
    return f"{{{','.join(pairs)}}}"


def _written(node: Any) -> dict[str, Any]:
    """Return a mapping with its interpolations as written; empty for another type."""
    found = OmegaConf.to_container(node, resolve=False) if isinstance(node, DictConfig) else {}
    return {str(key): value for key, value in found.items()} if isinstance(found, dict) else {}
