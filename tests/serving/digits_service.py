"""A real endpoint with the trainer's score.py and a dense network of the tutorial's shape."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from mnist_exp.config import EnvConfig, EnvType, RequestSettingsConfig
from mnist_exp.specs import DeploymentSpec, EndpointSpec
from mnist_exp.workspaces.local.endpoints import Endpoints, ModelFiles
from tests.support.paths import REPOSITORY
from tests.support.scoring_service import NAME, Service

SHAPE = (784, 256, 128, 10)


def write_model(folder: Path) -> None:
    """Write random weights in the file that the trainer writes beside the SavedModel."""
    extra = folder / "assets.extra"
    extra.mkdir(parents=True)
    generator = np.random.default_rng(1)
    arrays = {}
    for number, (rows, columns) in enumerate(itertools.pairwise(SHAPE)):
        kernel = generator.normal(0, rows**-0.5, (rows, columns))
        arrays[f"kernel_{number}"] = kernel.astype(np.float32)
        arrays[f"bias_{number}"] = np.zeros(columns, np.float32)
    np.savez(extra / "dense.npz", scale=np.float32(1 / 255), **arrays)


def digits_spec(
    name: str, settings: RequestSettingsConfig, instance_count: int = 1
) -> DeploymentSpec:
    return DeploymentSpec(
        name=name,
        endpoint=NAME,
        model="digits:1",
        code=str(REPOSITORY / "trainer"),
        scoring_script="score.py",
        environment=EnvConfig(EnvType.local),
        instance_type="Standard_DS3_v2",
        instance_count=instance_count,
        request_settings=settings,
    )


def serve_digits(
    folder: Path, settings: RequestSettingsConfig, instance_count: int = 1
) -> Iterator[Service]:
    """Yield an endpoint whose deployment blue has all the traffic."""
    write_model(folder / "model")
    endpoints = Endpoints(folder / "endpoints")
    uri = endpoints.create_or_update(EndpointSpec(NAME)).scoring_uri
    assert uri
    try:
        model = ModelFiles(folder / "model", "digits", "1")
        endpoints.deploy(digits_spec("blue", settings, instance_count), model)
        endpoints.create_or_update(EndpointSpec(NAME, traffic={"blue": 100}))
        yield Service(folder, endpoints, uri.removesuffix("/score"))
    finally:
        endpoints.delete(NAME)
