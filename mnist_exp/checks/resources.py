"""Checks of the compute, env and data groups."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from mnist_exp.config import (
    ComputeTier,
    DataType,
    EnvConfig,
    EnvType,
    ExperimentConfig,
)
from mnist_exp.names import compute_name_fault, describe_path, environment_reference_fault
from mnist_exp.software import RecipeError, read_conda_file


def compute_faults(config: ExperimentConfig) -> Iterator[str]:
    """Yield faults of the compute target.

    The function checks the name of the compute target, its minimum and maximum number of nodes, its
    simulated eviction and its idle time.
    """
    compute = config.compute
    if fault := compute_name_fault(compute.name):
        yield f"compute.name: {fault}"
    if compute.min_instances < 0:
        yield f"compute.min_instances: must be 0 or more, got {compute.min_instances}"
    if compute.max_instances < max(1, compute.min_instances):
        yield (
            "compute.max_instances: must be at least 1 and at least compute.min_instances "
            f"({compute.min_instances}), got {compute.max_instances}"
        )
    if compute.evict_after_epochs is not None:
        if compute.evict_after_epochs < 1:
            yield (
                "compute.evict_after_epochs: must be at least 1, "
                f"got {compute.evict_after_epochs}; null means no eviction"
            )
        if compute.tier is not ComputeTier.low_priority:
            yield (
                "compute.evict_after_epochs: only low-priority nodes are evicted; "
                "add compute=low_priority"
            )
    if compute.idle_time_before_scale_down < 0:
        yield (
            "compute.idle_time_before_scale_down: must be 0 seconds or more, "
            f"got {compute.idle_time_before_scale_down}"
        )


def environment_faults(where: str, env: EnvConfig) -> Iterator[str]:
    """Yield one line for each missing or invalid key of an environment.

    Args:
        where: The config key of the environment.
        env: The environment of a job or a deployment.
    """
    if env.type is EnvType.curated and not env.name:
        yield f"{where}.name: a curated environment needs a name, e.g. NAME@latest"
    elif env.type is EnvType.curated and (fault := environment_reference_fault(env.name or "")):
        yield f"{where}.name: {fault}"
    if env.type is EnvType.conda:
        if not env.image:
            yield f"{where}.image: a conda environment needs a Docker image"
        if env.conda_file and not Path(env.conda_file).is_file():
            there = describe_path(env.conda_file)
            yield f"{where}.conda_file: must be a file, got {env.conda_file}, which {there}"
        elif env.conda_file:
            yield from recipe_fault(
                f"{where}.conda_file", partial(read_conda_file, Path(env.conda_file))
            )


def environment_warnings(where: str, env: EnvConfig) -> Iterator[str]:
    """Yield one line for each key that has no effect with the type `local`.

    Args:
        where: The config key of the environment.
        env: The environment of a job or a deployment.
    """
    for key, value, kind in (
        ("name", env.name, EnvType.curated),
        ("image", env.image, EnvType.conda),
        ("conda_file", env.conda_file, EnvType.conda),
    ):
        if value is not None and env.type is EnvType.local:
            yield (
                f"{where}.{key}: has no effect with {where}.type=local; only {where}.type="
                f"{kind.value} uses this key"
            )


def recipe_fault(where: str, read: Callable[[], object]) -> Iterator[str]:
    """Yield a fault if the packages of an environment cannot be read.

    Args:
        where: The config key of the environment's name or file.
        read: Reads the packages.
    """
    try:
        read()
    except RecipeError as error:
        yield f"{where}: {error}"


def data_faults(config: ExperimentConfig) -> Iterator[str]:
    """Yield a fault if the data folder does not exist."""
    data = config.data
    if data.type is DataType.folder and (data.path is None or not Path(data.path).is_dir()):
        got = "null" if data.path is None else f"{data.path}, which {describe_path(data.path)}"
        yield (
            f"data.path: must be a folder with the four IDX files, got {got}; set data.path to an "
            "existing folder, or use data=sample"
        )


def data_warnings(config: ExperimentConfig) -> Iterator[str]:
    """Yield one line for each key that has no effect with the chosen type of data."""
    data = config.data
    for key, value, kind in (
        ("path", data.path, DataType.folder),
        ("url", data.url, DataType.mnist),
    ):
        if value is not None and data.type is not kind:
            yield (
                f"data.{key}: has no effect with data={data.type.value}; "
                f"only data={kind.value} uses this key"
            )
