"""The remedy if a script imports a package that its environment does not contain."""

from mnist_exp.config import EnvConfig, EnvType

#: The class of Python's exception for an import that finds no module.
_FAULT = "ModuleNotFoundError"


def remedy(reason: str, env: EnvConfig) -> str:
    """Return a remedy to append to the reason of a failure; empty for other failures.

    Args:
        reason: The reason why a job failed.
        env: The environment of the job.
    """
    if _FAULT not in reason:
        return ""
    if env.type is EnvType.conda:
        return f"; add the package to env.conda_file ({env.conda_file})"
    name = "the environment of mnist-exp" if env.type is EnvType.local else env.name
    return f"; {name} does not have the package: use env=conda with a conda file that names it"
