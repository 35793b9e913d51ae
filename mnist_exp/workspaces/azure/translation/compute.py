"""A compute target as azure-ai-ml's entity."""

from azure.ai.ml.entities import AmlCompute

from mnist_exp.config import ComputeConfig


def compute_entity(spec: ComputeConfig) -> AmlCompute:
    """Return the cluster; `size` None leaves the choice to the SDK.

    https://learn.microsoft.com/python/api/azure-ai-ml/azure.ai.ml.entities.amlcompute
    """
    return AmlCompute(
        name=spec.name,
        size=spec.size,
        min_instances=spec.min_instances,
        max_instances=spec.max_instances,
        idle_time_before_scale_down=spec.idle_time_before_scale_down,
        tier=spec.tier.value,
    )
