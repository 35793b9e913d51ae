"""TensorFlow from the package registry, for the trainer's conda file and Azure ML's environment."""

import pytest

from tests.support.in_process import InProcessCli
from tests.support.registry import reaches_registry
from tests.support.trained_models import have_equal_weights

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
    assert have_equal_weights(conda, curated)
    assert conda["metrics"] == curated["metrics"]
