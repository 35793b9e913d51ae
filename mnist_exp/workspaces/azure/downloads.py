"""Files that jobs have kept, fetched once."""

import shutil
import tempfile
from pathlib import Path

from azure.ai.ml import MLClient

from mnist_exp.workspaces.azure.retrying import Retrying

#: The SDK puts what a job kept into a folder of this name.
_ARTIFACTS = "artifacts"


class Downloads:
    """Local copies of what jobs kept.

    Args:
        client: The SDK's client.
        retrying: How calls are made.
        root: Gets a folder for each job.
    """

    def __init__(self, client: MLClient, retrying: Retrying, root: Path) -> None:
        self._client = client
        self._retrying = retrying
        self._root = root

    def path(self, job: str, path: str) -> Path | None:
        """Return a local copy of one of a finished job's files; None if it has no such file."""
        folder = self._root / job
        if not folder.is_dir():
            self._retrying.call(f"job {job}", lambda: self._fetch(job, folder))
        found = folder / path
        return found if found.exists() else None

    def _fetch(self, job: str, folder: Path) -> None:
        self._root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self._root, prefix=".download-") as temporary:
            self._client.jobs.download(job, download_path=temporary)
            incoming = Path(temporary, _ARTIFACTS)
            incoming.mkdir(exist_ok=True)
            shutil.move(incoming, folder)
