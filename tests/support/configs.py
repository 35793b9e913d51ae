"""The experiment's config, composed in this process as the command line composes it."""

import copy
import functools
from pathlib import Path

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from omegaconf import DictConfig

from mnist_exp.cli.compose import register_schemas, split, to_experiment
from mnist_exp.experiment import Experiment
from tests.support.paths import CONF

#: A rollout that waits for nothing and that a busy machine does not roll back.
QUICK_ROLLOUT = (
    "endpoint=blue_green",
    "endpoint.rollout.seconds=0",
    "endpoint.rollout.samples=2",
    "endpoint.rollout.latency_margin_ms=60000",
)

_register_schemas_once = functools.cache(register_schemas)


def composed(*overrides: str, config_dir: Path | None = None) -> DictConfig:
    """Return Hydra's composed config, with the `hydra` node.

    Args:
        overrides: The command's overrides.
        config_dir: The value of `--config-dir`.
    """
    _register_schemas_once()
    more = [f"hydra.searchpath=[file://{config_dir}]"] if config_dir else []
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return compose("config", [*overrides, *more], return_hydra_config=True)


def config(*overrides: str, config_dir: Path | None = None) -> Experiment:
    """Return the typed config."""
    return to_experiment(*split(composed(*overrides, config_dir=config_dir)))


@functools.cache
def _cached_config(overrides: tuple[str, ...]) -> Experiment:
    return config(*overrides)


def fresh_config(*overrides: str) -> Experiment:
    """Return a config that the caller may change. Equal overrides are composed only once."""
    return copy.deepcopy(_cached_config(overrides))
