"""The rules of the config that can be checked without side effects.

`faults` returns one line for each broken rule. `warnings` returns one line for each probable
mistake and each risk. Both functions read the files that the config names, and change no files.

Each module of this package checks one config group or a few small config groups.
"""

from mnist_exp.checks.arguments import argument_warnings
from mnist_exp.checks.azure import azure_warnings, environment_warning, size_warning
from mnist_exp.checks.code import code_faults, code_warnings, command_faults
from mnist_exp.checks.endpoint import deployment_faults, endpoint_faults
from mnist_exp.checks.general import (
    general_faults,
    multirun_faults,
    page_faults,
    runs_faults,
)
from mnist_exp.checks.job import ignored_warnings, job_faults, registration_faults
from mnist_exp.checks.local import local_faults, local_warnings
from mnist_exp.checks.model import model_faults
from mnist_exp.checks.resources import (
    compute_faults,
    data_faults,
    data_warnings,
    environment_faults,
    environment_warnings,
)
from mnist_exp.checks.sweep import sweep_faults, sweep_warnings
from mnist_exp.checks.unused import contradiction_faults, unused_warnings
from mnist_exp.config import Stage
from mnist_exp.experiment import Experiment

__all__ = ["faults", "warnings"]


def faults(config: Experiment) -> list[str]:
    """Return one line for each rule that the config breaks for its stage."""
    stage = config.stage
    found = [
        *general_faults(config),
        *multirun_faults(config),
        *contradiction_faults(config),
        *compute_faults(config),
        *environment_faults("env", config.env),
    ]
    if stage.trains:
        found += [*data_faults(config), *model_faults(config), *job_faults(config)]
        found += code_faults(config, "job.script", config.job.code, config.job.script)
        found += command_faults(config)
    if stage is Stage.page:
        found += page_faults(config.page)
    if stage in (Stage.runs, Stage.prune):
        found += runs_faults(config.runs)
    if stage.sweeps:
        found += sweep_faults(config)
    if stage.registers:
        found += registration_faults(config)
    if stage.uses_endpoint:
        found += endpoint_faults(config)
    if stage.deploys:
        found += deployment_faults(config)
        code, script = config.endpoint.deployment.code, config.endpoint.deployment.scoring_script
        if script is not None:
            found += code_faults(config, "endpoint.deployment.scoring_script", code, script)
    return [*found, *local_faults(config)]


def warnings(config: Experiment) -> list[str]:
    """Return one line for each probable mistake and each risk, e.g. a retired VM size."""
    stage = config.stage
    found = [
        size_warning(config.compute.size or ""),
        environment_warning(config.env.name or ""),
        environment_warning(
            config.endpoint.deployment.environment.name or "", "endpoint.deployment.environment"
        ),
    ]
    if stage.trains:
        found += [*data_warnings(config), *argument_warnings(config)]
        found += code_warnings("job.code", config.job.code, config.outputs_dir)
    if stage.trains and config.job.distribution.type is not None:
        found.append(
            "job.distribution: TensorFlow's gRPC server listens on every address of this machine, "
            "not only on 127.0.0.1; use job.distribution only in networks that you trust"
        )
    if stage.sweeps:
        if config.compute.evict_after_epochs is not None:
            found.append("compute.evict_after_epochs: has no effect on the trials of a sweep")
        plan, _ = config.parsed_sweep
        found += plan.warnings if plan else []
        found += sweep_warnings(config)
    if stage.deploys:
        where, code = "endpoint.deployment.code", config.endpoint.deployment.code
        found += code_warnings(where, code, config.outputs_dir)
    if stage.trains:
        found += environment_warnings("env", config.env)
    if stage.deploys:
        deployment = config.endpoint.deployment
        found += environment_warnings("endpoint.deployment.environment", deployment.environment)
    found += [*unused_warnings(config), *local_warnings(config), *azure_warnings(config)]
    lines = [line for line in found if line]
    if config.job_file:
        lines = list(map(config.job_file.placed, lines))
        lines += ignored_warnings(config.job_file, config.workspace.type)
    return lines
