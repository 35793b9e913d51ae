"""Find, create and delete compute targets."""

from typing import assert_never

from azure.ai.ml.entities import AmlCompute
from azure.core.exceptions import ResourceNotFoundError

from mnist_exp.config import ComputeConfig, ComputeType
from mnist_exp.errors import RefusedError
from mnist_exp.results import Compute, counted
from mnist_exp.workspaces.azure.retries import RetryPolicy
from mnist_exp.workspaces.azure.translation import cluster_entity
from mnist_exp.workspaces.azure.translation.assets import local_compute_error
from mnist_exp.workspaces.azure.workspace_client import WorkspaceClient


class Computes:
    """The workspace's compute targets."""

    def __init__(self, client: WorkspaceClient, retries: RetryPolicy) -> None:
        self._operations = client.sdk.compute
        self._retries = retries

    def get_or_create(self, spec: ComputeConfig) -> Compute:
        """Return the compute target with the spec's name; create the target if it does not exist.

        Raises:
            RefusedError: A target of that name exists, but with a different VM size.
            RefusedError: The spec names this machine, which Azure cannot use.
        """
        match spec.type:
            case ComputeType.amlcompute:
                return self._get_or_create_cluster(spec)
            case ComputeType.local:
                raise local_compute_error()
            case ComputeType.serverless:
                note = (
                    "serverless: Azure ML chooses the nodes of each job, so no cluster is created"
                )
                return Compute(spec.name, spec.type.value, spec.size, notes=(note,))
            case unknown:
                assert_never(unknown)

    def _get_or_create_cluster(self, spec: ComputeConfig) -> Compute:
        found = self.find(spec.name)
        if found is None:
            return self._create(spec)
        if not has_size(found, spec):
            raise RefusedError(
                f"compute.size: {spec.name} exists with size {found.size}, got {spec.size}; choose "
                "another cluster with compute.name=..., or use the existing cluster with "
                f"compute.size={found.size}"
            )
        if found.provisioning_state != "Succeeded":
            note = f"{spec.name} was in state {found.provisioning_state} and was created again"
            return self._create(spec, note)
        return Compute(spec.name, spec.type.value, found.size, notes=_differences(found, spec))

    def find(self, name: str) -> AmlCompute | None:
        """Return the compute target of that name, or None if no such target exists."""

        def get() -> AmlCompute | None:
            try:
                found: AmlCompute = self._operations.get(name)
            except ResourceNotFoundError:
                return None
            return found

        return self._retries.call(f"compute {name}", get)

    def delete(self, name: str) -> bool:
        """Delete a target, and wait until the target is deleted; return whether it existed."""

        def delete() -> bool:
            try:
                self._operations.begin_delete(name).result()
            except ResourceNotFoundError:
                # Somebody else has deleted the target since `find` returned it.
                return False
            return True

        if self.find(name) is None:
            return False
        return self._retries.call(
            f"compute {name}", delete, wait="waiting until Azure has deleted the cluster"
        )

    def costs(self) -> list[str]:
        """Return a line for each target that costs money while no job runs."""
        targets = self._retries.call("compute", lambda: list(self._operations.list()))
        return [
            f"compute {one.name}: {counted(one.min_instances, 'node')} of {one.size} cost money "
            "even while no job runs; set compute.min_instances=0 or delete the cluster"
            for one in targets
            if getattr(one, "min_instances", 0)
        ]

    def _create(self, spec: ComputeConfig, *notes: str) -> Compute:
        created = self._retries.call(
            f"compute {spec.name}",
            lambda: self._operations.begin_create_or_update(cluster_entity(spec)).result(),
            settling=True,
            wait="waiting until Azure has created the cluster",
        )
        return Compute(spec.name, spec.type.value, created.size, created=True, notes=notes)


def has_size(found: AmlCompute, spec: ComputeConfig) -> bool:
    """Return whether a target has the VM size in the spec; True if the spec contains no size."""
    return not spec.size or (found.size or "").lower() == spec.size.lower()


def _differences(found: AmlCompute, spec: ComputeConfig) -> tuple[str, ...]:
    notes = [f"found {spec.name}: {found.size}, up to {found.max_instances} nodes"]
    if found.max_instances != spec.max_instances:
        notes.append(
            f"max_instances of {spec.name} is {found.max_instances}, not {spec.max_instances}"
        )
    if (found.tier or "").lower() != spec.tier.value.replace("_", ""):
        notes.append(f"tier of {spec.name} is {found.tier}, not {spec.tier.value}")
    return tuple(notes)
