"""Rules for the local workspace, which runs jobs and deployments on this machine."""

import os
import re
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from mnist_exp.checks.resources import recipe_fault
from mnist_exp.config import EnvConfig, EnvType, ExperimentConfig, ModelType, WorkspaceType
from mnist_exp.software import RecipeError, curated_recipe, find_conda, read_conda_file

#: A word of a command that names a program of a Python environment by its path.
_PROGRAM = re.compile(r"[^\s;&|()'\"=`]*/bin/(?:activate|pip|python|uv)[\w.]*")


def local_faults(config: ExperimentConfig) -> Iterator[str]:
    """Yield faults of values that only the local workspace cannot use."""
    if config.workspace.type is not WorkspaceType.local:
        return
    if config.stage.trains:
        yield from _environment("env", config.env)
        yield from _own_programs(config.job.command or "", Path(config.outputs_dir).absolute())
        yield from _encoded_path(Path(config.outputs_dir).absolute())
    if config.stage.deploys:
        where, env = "endpoint.deployment.environment", config.endpoint.deployment.environment
        yield from _environment(where, env)
        if env.type is EnvType.conda and not env.names_packages:
            yield (
                f"{where}.conda_file: must be given on this machine, which does not use the image; "
                f"set {where}.conda_file=FILE, or use {where}.type=local"
            )


def _own_programs(command: str, outputs: Path) -> Iterator[str]:
    """Yield a fault if a command names Python, pip or uv in the environment of mnist-exp.

    Packages that such a program installs would not be deleted with the job. A relative path begins
    at the folder in which the job runs.
    """
    work, own = outputs / "jobs" / "NAME" / "wd", os.path.realpath(Path(sys.prefix) / "bin")
    for word in _PROGRAM.finditer(command):
        path = os.path.expanduser(os.path.expandvars(word[0]))  # noqa: PTH111 - never raises
        folder, name = os.path.split(os.path.join(work, path))  # noqa: PTH118
        if os.path.realpath(folder) == own:
            remedy = "remove it" if name.startswith("activate") else f"write {name}"
            yield (
                "job.command: must not use the environment of mnist-exp, which a job may not "
                f"change, got {word[0]}; {remedy}, because a job has its own environment"
            )
            return


def _encoded_path(outputs: Path) -> Iterator[str]:
    """Yield a fault if the path of the outputs folder contains a text such as `%20`."""
    if found := re.search("%[0-9A-Fa-f]{2}", str(outputs)):
        yield (
            f"outputs_dir: must not contain a percent sign before two hex digits ({found[0]}), "
            "because MLflow decodes the path twice and then cannot load models, got "
            f"{outputs}; choose another folder with outputs_dir=DIR"
        )


def _environment(where: str, env: EnvConfig) -> Iterator[str]:
    """Yield a fault if this machine cannot create an environment."""
    if env.type is EnvType.curated and env.name:
        yield from recipe_fault(f"{where}.name", partial(curated_recipe, env.name))
    if env.type is EnvType.conda and env.conda_file:
        yield from _conda_file(f"{where}.conda_file", Path(env.conda_file))


def _conda_file(where: str, conda_file: Path) -> Iterator[str]:
    try:
        recipe = read_conda_file(conda_file) if conda_file.is_file() else None
    except RecipeError:
        recipe = None
    if recipe is None:
        # `environment_faults` reports this fault.
        return
    if recipe.variables:
        yield (
            f"{where}: must not have the key variables on this machine, got "
            f"{', '.join(recipe.variables)}; use environment_variables of the job or the deployment"
        )
    if recipe.not_on_pypi and find_conda() is None:
        yield (
            f"{where}: must name packages of PyPI, because conda is not on PATH, got "
            f"{', '.join(recipe.not_on_pypi)} in {conda_file}; install conda, remove these "
            "packages, or write the names of their Python packages in the pip part"
        )


def local_warnings(config: ExperimentConfig) -> Iterator[str]:
    """Yield one line for each key of the job without effect on this machine."""
    if config.workspace.type is not WorkspaceType.local or not config.stage.trains:
        return
    if config.env.type is EnvType.conda and not config.env.names_packages:
        yield (
            "env.image: has no effect on this machine, where the job runs in the environment of "
            "mnist-exp; to run it with other packages, set env.conda_file=FILE"
        )
    for name, value in config.job.outputs.items():
        is_model = (value or {}).get("type") in tuple(ModelType)
        for key in sorted(set(value or {}) & ({"path"} if is_model else {"path", "name"})):
            yield (
                f"job.outputs.{name}.{key}: has no effect on this machine, where the output is "
                f"saved in the folder named_outputs/{name} of the job"
            )
