"""Download the files of finished jobs, and register these files as model versions."""

import shutil
import tempfile
from pathlib import Path
from typing import Any

from azure.core.exceptions import ResourceNotFoundError

from mnist_exp.azure_form.assets import model_form
from mnist_exp.results import RegisteredModel
from mnist_exp.specs import ModelSpec
from mnist_exp.workspaces.azure.retries import RetryPolicy
from mnist_exp.workspaces.azure.translation import model_entity
from mnist_exp.workspaces.azure.translation.assets import JOB_TAG, PATH_TAG
from mnist_exp.workspaces.azure.workspace_client import WorkspaceClient

#: Name of the folder into which the SDK downloads a job's files.
_DOWNLOADED = "artifacts"


class JobFiles:
    """The files of the workspace's finished jobs.

    Args:
        client: The SDK's client.
        retries: Rules for repeating failed calls.
        root: Folder for downloads, with a subfolder for each job.
    """

    def __init__(self, client: WorkspaceClient, retries: RetryPolicy, root: Path) -> None:
        self._jobs = client.sdk.jobs
        self._models = client.sdk.models
        self._retries = retries
        self._root = root

    def path(self, job: str, path: str) -> Path | None:
        """Return a local copy of a finished job's file, or None if the job has no such file."""
        folder = self._root / job
        if not folder.is_dir():
            self._retries.call(f"job {job}", lambda: self._download(job, folder))
        found = folder / path
        return found if found.exists() else None

    def register(self, spec: ModelSpec) -> RegisteredModel:
        """Return the model version that contains a job's files; create the version if needed."""
        versions = self._versions(spec.name)
        found = next((version for version in versions if _has_files(version, spec)), None)
        if found is None:
            numbers = [int(one.version) for one in versions if str(one.version).isdigit()]
            version = str(max(numbers, default=0) + 1)
            found = self._retries.call(
                f"registration.name {spec.name}:{version}",
                lambda: self._models.create_or_update(model_entity(spec, version)),
            )
        path = model_form(spec)["path"]
        kind = str(found.type or spec.type)
        return RegisteredModel(spec.name, str(found.version), path, spec.job, kind)

    def find_model(self, name: str, version: str | None) -> RegisteredModel | None:
        """Return a version of a registered model, or the newest version; None if there is none."""

        def found() -> Any:
            try:
                return self._models.get(name, version, None if version else "latest")
            except ResourceNotFoundError:
                return None

        model = self._retries.call(f"model {name}", found)
        if model is None:
            return None
        job = (model.tags or {}).get(JOB_TAG, "")
        return RegisteredModel(name, str(model.version), str(model.path), job, str(model.type))

    def _download(self, job: str, folder: Path) -> None:
        self._root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self._root, prefix=".download-") as temporary:
            self._jobs.download(job, download_path=temporary)
            incoming = Path(temporary, _DOWNLOADED)
            incoming.mkdir(exist_ok=True)
            shutil.move(incoming, folder)

    def _versions(self, name: str) -> list[Any]:
        def listed() -> list[Any]:
            try:
                return list(self._models.list(name))
            except ResourceNotFoundError:
                return []

        return self._retries.call(f"registration.name {name}", listed)


def _has_files(version: Any, spec: ModelSpec) -> bool:
    tags = version.tags or {}
    return bool(tags.get(JOB_TAG) == spec.job and tags.get(PATH_TAG) == spec.saved_path)
