"""Compute targets: got, or created where there is none."""

from azure.ai.ml.entities import AmlCompute
from azure.core.exceptions import ResourceNotFoundError

from mnist_exp.config import ComputeConfig, ComputeType
from mnist_exp.errors import RefusedError
from mnist_exp.results import Compute
from mnist_exp.workspaces.azure.connection import Connection
from mnist_exp.workspaces.azure.retrying import Retrying
from mnist_exp.workspaces.azure.translation import compute_entity


class Computes:
    """The workspace's compute targets."""

    def __init__(self, connection: Connection, retrying: Retrying) -> None:
        self._operations = connection.client.compute
        self._retrying = retrying

    def get_or_create(self, spec: ComputeConfig) -> Compute:
        """Return the target; only one that is not there is created.

        Raises:
            RefusedError: One of that name is there, and it is another kind of machine.
        """
        if spec.type is ComputeType.local:
            raise RefusedError(
                "compute.type: local is this machine, which Azure cannot use; use "
                "compute=gpu_cluster, cpu_cluster, low_priority or serverless"
            )
        if spec.type is ComputeType.serverless:
            note = "serverless: Azure ML picks the nodes of each job, nothing is created"
            return Compute(spec.name, spec.type.value, spec.size, notes=(note,))
        found = self.find(spec.name)
        if found is None:
            return self._create(spec)
        self._check(found, spec)
        if found.provisioning_state != "Succeeded":
            note = f"found {spec.name} in state {found.provisioning_state}, finishes creating it"
            return self._create(spec, note)
        return Compute(spec.name, spec.type.value, found.size, notes=self._notes(found, spec))

    def find(self, name: str) -> AmlCompute | None:
        """Return the target of that name, None if there is none."""

        def get() -> AmlCompute | None:
            try:
                found: AmlCompute = self._operations.get(name)
            except ResourceNotFoundError:
                return None
            return found

        return self._retrying.call(f"compute {name}", get)

    def delete(self, name: str) -> bool:
        """Delete a target and wait for that; returns whether there was one."""
        if self.find(name) is None:
            return False
        self._retrying.call(f"compute {name}", lambda: self._operations.begin_delete(name).result())
        return True

    def costly(self) -> list[str]:
        """Return a line for each target that costs money while nothing runs."""
        targets = self._retrying.call("compute", lambda: list(self._operations.list()))
        return [
            f"compute {one.name}: {one.min_instances} nodes of {one.size} stay up; set "
            "compute.min_instances=0 or delete it"
            for one in targets
            if getattr(one, "min_instances", 0)
        ]

    def _create(self, spec: ComputeConfig, *notes: str) -> Compute:
        made = self._retrying.call(
            f"compute {spec.name}",
            lambda: self._operations.begin_create_or_update(compute_entity(spec)).result(),
            settling=True,
        )
        return Compute(spec.name, spec.type.value, made.size, created=True, notes=notes)

    def _check(self, found: AmlCompute, spec: ComputeConfig) -> None:
        if (found.size or "").lower() != (spec.size or found.size or "").lower():
            raise RefusedError(
                f"compute.size: {spec.name} exists with {found.size}, got {spec.size}; name "
                f"another target with compute.name=..., or take it with compute.size={found.size}"
            )

    def _notes(self, found: AmlCompute, spec: ComputeConfig) -> tuple[str, ...]:
        notes = [f"found {spec.name}: {found.size}, up to {found.max_instances} nodes"]
        if found.max_instances != spec.max_instances:
            notes.append(f"its nodes at most are {found.max_instances}, not {spec.max_instances}")
        if (found.tier or "").lower() != spec.tier.value.replace("_", ""):
            notes.append(f"its tier is {found.tier}, not {spec.tier.value}")
        return tuple(notes)
