"""Registers the config schema with Hydra and turns a composed config into its types."""

from collections.abc import Sequence
from typing import Any

from hydra.core.config_store import ConfigStore
from omegaconf import DictConfig, OmegaConf

from mnist_exp.cli.paths import empty_mappings, input_sources, resolve_paths, task_overrides
from mnist_exp.cli.schema_keys import explain_key, type_at, unknown_keys
from mnist_exp.config import ExperimentConfig, Stage
from mnist_exp.errors import ConfigError

#: Mappings that take new keys from the command line without a `+`.
_FREE_MAPPINGS = (
    "job.environment_variables",
    "sweep.sampling_algorithm",
    "sweep.early_termination",
    "endpoint.traffic",
    "endpoint.mirror_traffic",
    "endpoint.deployment.environment_variables",
)


#: Values that break no rule, by the type of their key.
_STAND_INS: dict[Any, Any] = {str: "maximize", int: 1, float: 1.0}


class MissingKeysError(ConfigError):
    """Mandatory keys have no value."""

    def __init__(self, keys: Sequence[str]) -> None:
        super().__init__([_missing(key) for key in keys])
        self.keys = tuple(keys)


def register_schemas() -> None:
    """Make `experiment_schema` known to conf/config.yaml's defaults list."""
    schema = OmegaConf.structured(ExperimentConfig)
    for key in _FREE_MAPPINGS:
        OmegaConf.set_struct(OmegaConf.select(schema, key), False)
    ConfigStore.instance().store(name="experiment_schema", node=schema)


def to_config(composed: DictConfig, hydra_config: DictConfig) -> ExperimentConfig:
    """Turn what Hydra composed into plain dataclasses, relative paths made absolute.

    Args:
        composed: The task's config, without the `hydra` node.
        hydra_config: The `hydra` node: where each config file came from.

    Raises:
        MissingKeysError: Mandatory keys have no value.
        ConfigError: There are keys that the schema does not have.
    """
    if unknown := list(unknown_keys(composed)):
        raise ConfigError([explain_key(key) for key in unknown])
    if missing := sorted(OmegaConf.missing_keys(composed)):
        raise MissingKeysError(missing)
    composed = composed.copy()
    empty_mappings(composed, task_overrides(hydra_config))
    OmegaConf.update(composed, "job.sources", input_sources(composed), force_add=True)
    resolve_paths(composed, hydra_config)
    config = OmegaConf.to_object(composed)
    if not isinstance(config, ExperimentConfig):
        raise TypeError(f"the composed config is no ExperimentConfig but a {type(config)}")
    return config


def with_stand_ins(composed: DictConfig, keys: Sequence[str]) -> DictConfig | None:
    """Return the config with something in the place of missing keys, so that it can be checked.

    Args:
        composed: As for `to_config`.
        keys: Those that are missing.

    Returns:
        None where nothing can stand for one of them.
    """
    filled = composed.copy()
    for key in keys:
        kind = type_at(key)
        if kind not in _STAND_INS:
            return None
        OmegaConf.update(filled, key, _STAND_INS[kind])
    return filled


def _missing(key: str) -> str:
    if key == "stage":
        listed = ", ".join(stage.value for stage in Stage)
        return f"stage: must be one of {listed}; add e.g. stage=all"
    return f"{key}: must be given; add {key}=..."
