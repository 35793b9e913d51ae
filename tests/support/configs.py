"""The experiment's config, composed in this process as the command line composes it."""

import copy
import functools
import pickle
from pathlib import Path

from hydra import compose, initialize_config_dir
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from omegaconf import DictConfig, open_dict

from mnist_exp.cli.compose import register_schemas, to_experiment
from mnist_exp.experiment import Experiment
from tests.support.paths import CONF

#: Overrides for a rollout that does not wait, and that a slow machine does not roll back.
QUICK_ROLLOUT = (
    "endpoint=blue_green",
    "endpoint.rollout.seconds=0",
    "endpoint.rollout.samples=2",
    "endpoint.rollout.latency_margin_ms=60000",
)


def composed(*overrides: str, config_dir: Path | None = None) -> DictConfig:
    """Return Hydra's composed config, with the `hydra` node.

    Hydra first composes the chosen config groups, and then applies the other overrides. A
    composition takes a sixth of a second. Equal config groups are therefore composed only once.

    Args:
        overrides: The command's overrides.
        config_dir: The value of `--config-dir`.
    """
    if config_dir is not None:
        return newly_composed(*overrides, f"hydra.searchpath=[file://{config_dir}]")
    parsed = OverridesParser.create().parse_overrides(list(overrides))
    of_keys = [override for override in parsed if _is_of_a_key(override)]
    others = [str(override.input_line) for override in parsed if override not in of_keys]
    found = pickle.loads(_composed_once(*others))
    ConfigLoaderImpl._apply_overrides_to_config(of_keys, found)
    found.hydra.overrides.task = [text for text in overrides if not text.startswith("hydra")]
    found.hydra.runtime.cwd = str(Path.cwd())
    return found


def newly_composed(*overrides: str) -> DictConfig:
    """Return the config that Hydra composes from all overrides together."""
    register_schemas()
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return compose("config", list(overrides), return_hydra_config=True)


@functools.cache
def _composed_once(*overrides: str) -> bytes:
    """Return the pickled config, since `pickle` copies a config faster than `copy` does."""
    return pickle.dumps(newly_composed(*overrides))


def _is_of_a_key(override: Override) -> bool:
    """Return whether Hydra applies an override after it has composed the config groups."""
    key = override.key_or_group
    is_group = (CONF / key).is_dir() and not isinstance(override.value(), dict)
    return not (
        is_group or override.package or key.startswith("hydra") or override.is_sweep_override()
    )


def config(*overrides: str, config_dir: Path | None = None) -> Experiment:
    """Return the typed config."""
    found = composed(*overrides, config_dir=config_dir)
    # Do not use `split` of `mnist_exp.cli.compose`, which would copy the config.
    hydra_config = found.hydra
    with open_dict(found):
        del found["hydra"]
    return to_experiment(found, hydra_config)


@functools.cache
def _cached_config(overrides: tuple[str, ...]) -> Experiment:
    return config(*overrides)


def fresh_config(*overrides: str) -> Experiment:
    """Return a config that the caller may change. Equal overrides are composed only once."""
    return copy.deepcopy(_cached_config(overrides))
