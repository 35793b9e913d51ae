"""What the config must mean: every rule that can be checked without doing anything.

`faults` gives one line for each broken rule, all of them at once; `warnings` gives lines about
what will probably go wrong. Both are pure but for looking whether named files exist. Each config
group has a module of its own here.
"""

from mnist_exp.checks.azure import azure_warnings
from mnist_exp.checks.compute import compute_faults
from mnist_exp.checks.data import data_faults, data_warnings
from mnist_exp.checks.endpoint import deployment_faults, endpoint_faults
from mnist_exp.checks.environment import environment_faults
from mnist_exp.checks.general import general_faults
from mnist_exp.checks.job import job_faults
from mnist_exp.checks.model import model_faults
from mnist_exp.checks.registration import registration_faults
from mnist_exp.checks.retired import environment_warning, size_warning
from mnist_exp.checks.sweep import sweep_faults, sweep_warnings
from mnist_exp.config import ExperimentConfig, Stage
from mnist_exp.sweeps import parse_sweep

__all__ = ["faults", "warnings"]

TRAINING = (Stage.train, Stage.sweep, Stage.all)
SWEEPING = (Stage.sweep, Stage.all)
SERVING = (
    Stage.deploy,
    Stage.invoke,
    Stage.status,
    Stage.logs,
    Stage.cleanup,
    Stage.all,
)


def faults(config: ExperimentConfig) -> list[str]:
    """Return one line for each rule that the config breaks for its stage."""
    found = [
        *general_faults(config),
        *compute_faults(config),
        *environment_faults("env", config.env),
    ]
    if config.stage in TRAINING:
        found += [*data_faults(config), *model_faults(config), *job_faults(config)]
    if config.stage in SWEEPING:
        found += [*sweep_faults(config)]
    if config.stage in (Stage.register, Stage.all):
        found += [*registration_faults(config)]
    if config.stage in SERVING:
        found += [*endpoint_faults(config)]
    if config.stage in (Stage.deploy, Stage.all):
        found += [*deployment_faults(config)]
    return found


def warnings(config: ExperimentConfig) -> list[str]:
    """Return one line for each thing that Azure no longer has or that looks like a mistake."""
    found = [
        size_warning(config.compute.size or ""),
        environment_warning(config.env.name or ""),
        environment_warning(
            config.endpoint.deployment.environment.name or "", "endpoint.deployment.environment"
        ),
    ]
    if config.stage in TRAINING:
        found += data_warnings(config)
    if config.stage in TRAINING and config.job.distribution.type is not None:
        found.append(
            "job.distribution: TensorFlow's gRPC server listens on every address of this machine, "
            "not on 127.0.0.1 alone; use it in networks that you trust"
        )
    if config.stage in SWEEPING:
        if config.compute.evict_after_epochs is not None:
            found.append("compute.evict_after_epochs: trials of a sweep are not evicted")
        parsed, _ = parse_sweep(config.sweep)
        found += parsed.warnings if parsed else []
        found += sweep_warnings(config)
    found += azure_warnings(config)
    return [line for line in found if line]
