"""The registration group."""

from collections.abc import Iterator

from mnist_exp.checks.paths import leads_out
from mnist_exp.config import ExperimentConfig

MODEL_TYPES = ("custom_model", "mlflow_model", "triton_model")


def registration_faults(config: ExperimentConfig) -> Iterator[str]:
    """The name, the type and the path of the model asset."""
    asset = config.registration
    if not asset.name.strip() or set(asset.name) & set("/:\\"):
        yield f"registration.name: must not be empty nor hold / : or \\, got {asset.name!r}"
    if asset.type not in MODEL_TYPES:
        yield f"registration.type: must be one of {', '.join(MODEL_TYPES)}, got {asset.type}"
    if leads_out(asset.path):
        yield f"registration.path: must be relative to the job's files, got {asset.path}"
