"""Registered models: a version for a job's files, and never a second one for the same."""

from typing import Any

from azure.core.exceptions import ResourceNotFoundError

from mnist_exp.results import RegisteredModel
from mnist_exp.specs import ModelSpec
from mnist_exp.workspaces.azure.connection import Connection
from mnist_exp.workspaces.azure.retrying import Retrying
from mnist_exp.workspaces.azure.translation import model_entity
from mnist_exp.workspaces.azure.translation.assets import JOB_TAG, PATH_TAG, job_path


class Models:
    """The workspace's models."""

    def __init__(self, connection: Connection, retrying: Retrying) -> None:
        self._operations = connection.client.models
        self._retrying = retrying

    def register(self, spec: ModelSpec) -> RegisteredModel:
        """Return the version made of the job's files, registered first if there is none."""
        versions = self._versions(spec.name)
        found = next((one for one in versions if _is_of(one, spec)), None)
        if found is None:
            numbers = [int(one.version) for one in versions if str(one.version).isdigit()]
            version = str(max(numbers, default=0) + 1)
            found = self._retrying.call(
                f"registration.name {spec.name}:{version}",
                lambda: self._operations.create_or_update(model_entity(spec, version)),
            )
        return RegisteredModel(
            spec.name, str(found.version), job_path(spec), spec.job, str(found.type or spec.type)
        )

    def _versions(self, name: str) -> list[Any]:
        def listed() -> list[Any]:
            try:
                return list(self._operations.list(name))
            except ResourceNotFoundError:
                return []

        return self._retrying.call(f"registration.name {name}", listed)


def _is_of(version: Any, spec: ModelSpec) -> bool:
    tags = version.tags or {}
    return bool(tags.get(JOB_TAG) == spec.job and tags.get(PATH_TAG) == spec.path)
