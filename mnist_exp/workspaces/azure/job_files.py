"""Download the files of finished jobs and of models, and register jobs' files as models."""

import shutil
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from azure.core.exceptions import ResourceNotFoundError

from mnist_exp.azure_form.assets import model_form
from mnist_exp.results import RegisteredModel
from mnist_exp.specs import ModelSpec, parse_model_reference
from mnist_exp.workspaces.azure.retries import RetryPolicy
from mnist_exp.workspaces.azure.translation import model_entity
from mnist_exp.workspaces.azure.translation.assets import JOB_TAG, PATH_TAG
from mnist_exp.workspaces.azure.workspace_client import WorkspaceClient

#: Name of the folder into which the SDK downloads a job's files.
_ARTIFACTS = "artifacts"


class JobFiles:
    """The files of the workspace's finished jobs.

    Args:
        client: The SDK's client.
        retries: Rules for repeating failed calls.
        root: Folder for downloads. The files of a job are in `jobs/JOB`, and the files of a model
            are in `models/NAME/VERSION`.
    """

    def __init__(self, client: WorkspaceClient, retries: RetryPolicy, root: Path) -> None:
        self._jobs = client.sdk.jobs
        self._models = client.sdk.models
        self._retries = retries
        self._root = root

    def path(self, job: str, path: str) -> Path | None:
        """Return a local copy of a finished job's file, or None if the job has no such file."""
        folder = self._root / "jobs" / job
        if not folder.is_dir():
            download = partial(self._jobs.download, job)
            self._retries.call(
                f"job {job}",
                lambda: _download(download, _ARTIFACTS, folder),
                wait="downloading the files of the job",
            )
        found = folder / path
        return found if found.exists() else None

    def model_file(self, model: str, path: str) -> Path | None:
        """Return a local copy of a model's file, or None if the model has no such file."""
        name, version = parse_model_reference(model)
        folder = self._root / "models" / name / version
        if not folder.is_dir():
            download = partial(self._models.download, name, version)
            self._retries.call(
                f"model {model}",
                lambda: _download(download, name, folder),
                wait="downloading the files of the model",
            )
        # If the model is a folder, the download contains this folder under its original name.
        return next((file for file in folder.glob(f"*/{path}") if file.is_file()), None)

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
        """Return a registered model; None if the model or the version does not exist.

        Args:
            name: The name of the model.
            version: The version; None means the newest version.
        """

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

    def _versions(self, name: str) -> list[Any]:
        def listed() -> list[Any]:
            try:
                return list(self._models.list(name))
            except ResourceNotFoundError:
                return []

        return self._retries.call(f"registration.name {name}", listed)


def _download(download: Callable[..., object], part: str, folder: Path) -> None:
    """Download files, and move the subfolder `part` of the download to a new folder."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".download-") as temporary:
        download(download_path=temporary)
        incoming = Path(temporary, part)
        incoming.mkdir(exist_ok=True)
        shutil.move(incoming, folder)


def _has_files(version: Any, spec: ModelSpec) -> bool:
    tags = version.tags or {}
    return bool(tags.get(JOB_TAG) == spec.job and tags.get(PATH_TAG) == spec.saved_path)
