"""The compute group."""

from collections.abc import Iterator

from mnist_exp.config import ComputeTier, ExperimentConfig
from mnist_exp.names import compute_name_fault


def compute_faults(config: ExperimentConfig) -> Iterator[str]:
    """The name, the numbers of nodes and the eviction drill."""
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
                f"got {compute.evict_after_epochs}; null evicts nothing"
            )
        if compute.tier is not ComputeTier.low_priority:
            yield (
                "compute.evict_after_epochs: nodes of low priority alone are taken away; "
                "add compute=low_priority"
            )
    if compute.idle_time_before_scale_down < 0:
        yield (
            "compute.idle_time_before_scale_down: must be 0 seconds or more, "
            f"got {compute.idle_time_before_scale_down}"
        )
