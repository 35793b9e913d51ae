"""The files of jobs that have ended: their sizes, their deletion, and further artifacts."""

import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from mnist_exp.errors import OutputsError
from mnist_exp.results import StoredJob
from mnist_exp.snapshot import folder_size
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
    return [
        StoredJob(path.name, *folder_size(path), registered.get(path.name, "")) for path in found
    ]


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


def add_artifacts(jobs: Path, sweep: str, files: Mapping[str, Path]) -> None:
    """Copy files to the artifacts of a sweep's MLflow run; replace artifacts of the same path.

    Args:
        jobs: The folder `<outputs>/jobs`.
        sweep: The name of the sweep.
        files: Path of the artifact -> the file to copy.
    """
    artifacts = JobFolder(jobs, sweep).artifacts
    for path, file in files.items():
        target = artifacts / path
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, target)
