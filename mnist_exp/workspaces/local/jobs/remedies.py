"""Remedies for failures of a script, if the script's message does not contain a remedy."""

from mnist_exp.specs import CommandJob

#: The class of Python's exception for an import that finds no module.
_MISSING_MODULE = "ModuleNotFoundError"
#: A part of MLflow's message if a script has called `mlflow.set_experiment` in a job.
_OTHER_EXPERIMENT = "active experiment ID does not match environment run ID"


def remedy(reason: str, job: CommandJob) -> str:
    """Return a remedy to append to the reason of a failure; empty for other failures.

    Args:
        reason: The reason why a job failed.
        job: The job.
    """
    if _OTHER_EXPERIMENT in reason:
        return (
            "; a job already has a run in an experiment: delete mlflow.set_experiment from the "
            f"script, and set experiment_name, which is {job.experiment_name}"
        )
    if _MISSING_MODULE not in reason:
        return ""
    env = job.environment
    if env.conda_file is not None:
        return f"; add the package to env.conda_file ({env.conda_file})"
    name = env.name if env.names_packages else "the environment of mnist-exp"
    return f"; {name} does not have the package: use env=conda with a conda file that names it"
