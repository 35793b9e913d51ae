"""The files of jobs that have ended: their sizes, and their deletion."""

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from mnist_exp.errors import OutputsError
from mnist_exp.results import StoredJob
from mnist_exp.workspaces.local.jobs.deletion import delete_folder
from mnist_exp.workspaces.local.jobs.folder import JobFolder

if TYPE_CHECKING:
    from mnist_exp.workspaces.local.tracking.store import Tracking


def stored_jobs(jobs: Path, name: str, registered: Mapping[str, str]) -> list[StoredJob]:
    """Return the files of a job, and the files of each trial of a sweep.

    Args:
        jobs: The folder `<outputs>/jobs`.
        name: The name of the job or sweep.
        registered: Job name -> `name:version` of a registered model that uses files of this job.
    """
    is_part = re.compile(rf"{re.escape(name)}(_\d+)?").fullmatch
    found = sorted(path for path in jobs.glob("*/") if is_part(path.name))
    return [_stored(path, registered.get(path.name, "")) for path in found]


def _stored(folder: Path, model: str) -> StoredJob:
    # Count a file with several hard links only once.
    files = {(status.st_dev, status.st_ino): status.st_size for status in _statuses(folder)}
    return StoredJob(folder.name, sum(files.values()), len(files), model)


def _statuses(folder: Path) -> Iterator[os.stat_result]:
    for where, _, names in os.walk(folder):
        for name in names:
            try:
                yield Path(where, name).lstat()
            except FileNotFoundError:
                # Skip a file that was deleted after the folder was listed. A job that still runs
                # may delete its files.
                continue


def delete_job(jobs: Path, name: str, tracking: "Tracking") -> None:
    """Delete the MLflow run and the files of a job.

    If the command is killed during the deletion, the next command can repeat the deletion.

    Raises:
        RefusedError: Another command runs the job.
        OutputsError: A file cannot be deleted.
    """
    folder = JobFolder(jobs, name)
    with folder.locked():
        if folder.exists:
            tracking.forget(folder.run_id)
        delete_folder(folder.path)
    if folder.path.exists():
        raise OutputsError(
            f"outputs_dir: the folder {folder.path} cannot be deleted; change its permissions"
        )
