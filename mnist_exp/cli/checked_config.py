"""The conversion of a composed config into an experiment, with all faults in one error."""

from collections.abc import Sequence

from hydra.types import RunMode
from omegaconf import DictConfig

from mnist_exp import checks
from mnist_exp.cli.compose import MissingKeysError, to_experiment, with_stand_ins
from mnist_exp.cli.config_paths import task_overrides
from mnist_exp.cli.kept_config import with_kept_config
from mnist_exp.config import Stage, WorkspaceType
from mnist_exp.errors import ConfigError, MnistExpError
from mnist_exp.experiment import Experiment


def checked_experiment(composed: DictConfig, hydra_config: DictConfig) -> Experiment:
    """Return the experiment after all checks of its config.

    Raises:
        MnistExpError: The config has faults. The error contains all faults.
    """
    try:
        experiment = _experiment(composed, hydra_config)
    except MissingKeysError as missing:
        others = _other_faults(composed, hydra_config, missing.keys)
        raise ConfigError([*missing.lines, *others]) from None
    faults = _faults(experiment)
    if hydra_config.mode == RunMode.MULTIRUN:
        faults += _multirun_faults(experiment)
    if faults:
        raise ConfigError(faults)
    return experiment


def _experiment(composed: DictConfig, hydra_config: DictConfig) -> Experiment:
    experiment = to_experiment(composed, hydra_config)
    return with_kept_config(experiment, task_overrides(hydra_config))


def _faults(experiment: Experiment) -> list[str]:
    # stage=doctor itself reports the config's faults, together with its other findings.
    return [] if experiment.stage is Stage.doctor else checks.faults(experiment)


def _multirun_faults(experiment: Experiment) -> list[str]:
    if experiment.wait or experiment.workspace.type is not WorkspaceType.local:
        return []
    return [
        "wait: must be true for a multirun on this machine, because all variants would run at the "
        "same time; remove wait=false, use stage=sweep, or start each variant with its own command"
    ]


def _other_faults(
    composed: DictConfig, hydra_config: DictConfig, missing: Sequence[str]
) -> list[str]:
    """Return the other faults of a config that has missing keys."""
    filled = with_stand_ins(composed, missing)
    if filled is None:
        return []
    try:
        faults = checks.faults(_experiment(filled, hydra_config))
    except MnistExpError as error:
        return list(error.lines)
    return [line for line in faults if not line.startswith(tuple(f"{key}:" for key in missing))]
