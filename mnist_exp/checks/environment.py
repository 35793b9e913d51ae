"""The env group, and a deployment's environment."""

from collections.abc import Iterator
from pathlib import Path

from mnist_exp.config import EnvConfig, EnvType


def environment_faults(where: str, env: EnvConfig) -> Iterator[str]:
    """An environment needs what its type is made of."""
    if env.type is EnvType.curated and not env.name:
        yield f"{where}.name: a curated environment needs a name, e.g. NAME@latest"
    if env.type is EnvType.conda:
        if not env.image:
            yield f"{where}.image: a conda environment needs a Docker image"
        if env.conda_file and not Path(env.conda_file).is_file():
            yield f"{where}.conda_file: must be a file, got {env.conda_file}, which does not exist"
