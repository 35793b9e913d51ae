"""Registers the config schema with Hydra and turns a composed config into its types."""

from hydra.core.config_store import ConfigStore
from omegaconf import DictConfig, OmegaConf

from mnist_exp.app.composition import empty_mappings, input_sources, resolve_paths, task_overrides
from mnist_exp.app.schema_keys import explain_key, unknown_keys
from mnist_exp.config import ExperimentConfig, Stage
from mnist_exp.errors import ConfigError

__all__ = ["register_schemas", "to_config"]


#: Mappings that take new keys from the command line without a `+`.
FREE_MAPPINGS = (
    "job.environment_variables",
    "sweep.sampling_algorithm",
    "sweep.early_termination",
    "endpoint.traffic",
    "endpoint.mirror_traffic",
    "endpoint.deployment.environment_variables",
)


def register_schemas() -> None:
    """Make `experiment_schema` known to conf/config.yaml's defaults list."""
    schema = OmegaConf.structured(ExperimentConfig)
    for key in FREE_MAPPINGS:
        OmegaConf.set_struct(OmegaConf.select(schema, key), False)
    ConfigStore.instance().store(name="experiment_schema", node=schema)


def to_config(composed: DictConfig, hydra_config: DictConfig) -> ExperimentConfig:
    """Turn what Hydra composed into plain dataclasses, relative paths made absolute.

    Args:
        composed: The task's config, without the `hydra` node.
        hydra_config: The `hydra` node: where each config file came from.

    Raises:
        ConfigError: There are keys that the schema does not have, or mandatory values are missing.
    """
    if unknown := list(unknown_keys(composed)):
        raise ConfigError([explain_key(key) for key in unknown])
    if missing := sorted(OmegaConf.missing_keys(composed)):
        raise ConfigError([_missing(key) for key in missing])
    composed = composed.copy()
    empty_mappings(composed, task_overrides(hydra_config))
    OmegaConf.update(composed, "job.sources", input_sources(composed), force_add=True)
    resolve_paths(composed, hydra_config)
    config = OmegaConf.to_object(composed)
    if not isinstance(config, ExperimentConfig):
        raise TypeError(f"the composed config is no ExperimentConfig but a {type(config)}")
    return config


def _missing(key: str) -> str:
    if key == "stage":
        listed = ", ".join(stage.value for stage in Stage)
        return f"stage: must be one of {listed}; add e.g. stage=all"
    return f"{key}: must be given; add {key}=..."
