"""TensorFlow from the package registry, for the trainer's conda file and Azure ML's environment."""

from pathlib import Path

import numpy as np
import pytest

from tests.support.in_process import InProcessCli
from tests.support.registry import reaches_registry

pytestmark = pytest.mark.soak

CONDA = ["env=conda"]
CURATED = ["env=curated"]


def test_the_conda_file_and_the_curated_environment_train_the_same_weights(
    stored_cli: InProcessCli,
) -> None:
    if not reaches_registry():
        pytest.skip("no package registry can be reached")
    for environment in (CONDA, CURATED):
        done = stored_cli("stage=train", "model=small", "model.epochs=2", *environment)
        if "which is not on this machine" in done.stderr:
            pytest.skip("the Python of the curated environment cannot be had here")
        assert done.returncode == 0, done.stderr
    conda, curated = stored_cli.records("train")
    # Both environments have TensorFlow 2.16.2.
    one, other = (
        np.load(Path(record["paths"]["folder"], "outputs/model/assets.extra/dense.npz"))
        for record in (conda, curated)
    )
    assert one.files == other.files
    for name in one.files:
        assert np.array_equal(one[name], other[name])
    assert conda["metrics"] == curated["metrics"]
