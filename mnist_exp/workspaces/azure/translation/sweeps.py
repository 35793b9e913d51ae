"""Sweeps as azure-ai-ml's entities."""

import math
from dataclasses import fields
from typing import Any

from azure.ai.ml import sweep as sdk
from azure.ai.ml.entities import CommandJob as TrialEntity

from mnist_exp.azure_form.expressions import azure_arguments
from mnist_exp.specs import SweepJob
from mnist_exp.sweeps.sampling.algorithms import Sampling, SamplingType
from mnist_exp.sweeps.space.expressions import Expression
from mnist_exp.sweeps.space.keys import azure_name
from mnist_exp.sweeps.stopping.policy import Policy

EXPRESSIONS = {
    "choice": sdk.Choice,
    "randint": sdk.Randint,
    "uniform": sdk.Uniform,
    "quniform": sdk.QUniform,
    "loguniform": sdk.LogUniform,
    "qloguniform": sdk.QLogUniform,
    "normal": sdk.Normal,
    "qnormal": sdk.QNormal,
    "lognormal": sdk.LogNormal,
    "qlognormal": sdk.QLogNormal,
}

POLICIES = {
    "bandit": sdk.BanditPolicy,
    "median_stopping": sdk.MedianStoppingPolicy,
    "truncation_selection": sdk.TruncationSelectionPolicy,
}


def sweep_entity(job: SweepJob, trial: TrialEntity, identity: Any) -> sdk.SweepJob:
    """Return the sweep over a command job.

    What belongs to the whole stands on the sweep: experiment, compute, identity, inputs and
    outputs; `azure.ai.ml.command(...).sweep()` drops the experiment.
    https://learn.microsoft.com/azure/machine-learning/reference-yaml-job-sweep
    """
    return sdk.SweepJob(
        name=job.name,
        experiment_name=trial.experiment_name,
        display_name=trial.display_name,
        trial=trial,
        inputs=trial.inputs,
        outputs=trial.outputs,
        compute=trial.compute,
        identity=identity,
        sampling_algorithm=_sampling(job.sampling),
        search_space={
            azure_name(name): _expression(space) for name, space in job.search_space.items()
        },
        objective=sdk.Objective(
            goal=job.objective.goal.value, primary_metric=job.objective.primary_metric
        ),
        limits=sdk.SweepJobLimits(
            max_total_trials=job.limits.max_total_trials,
            max_concurrent_trials=job.limits.max_concurrent_trials,
            timeout=job.limits.timeout,
            trial_timeout=job.limits.trial_timeout,
        ),
        early_termination=_policy(job.early_termination),
    )


def _expression(space: Expression) -> Any:
    return EXPRESSIONS[space.type](**azure_arguments(space, _expression))


def _sampling(sampling: Sampling) -> Any:
    if sampling.type is SamplingType.GRID:
        return sdk.GridSamplingAlgorithm()
    if sampling.type is SamplingType.BAYESIAN:
        return sdk.BayesianSamplingAlgorithm()
    base = None if sampling.logbase == math.e else sampling.logbase
    return sdk.RandomSamplingAlgorithm(seed=sampling.seed, rule=sampling.rule.value, logbase=base)


def _policy(policy: Policy | None) -> Any:
    if policy is None:
        return None
    values = {field.name: getattr(policy, field.name) for field in fields(policy)}
    return POLICIES[policy.type](**values)
