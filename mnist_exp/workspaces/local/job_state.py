"""Read the state of a job or a sweep from its folder, while another command may run the job."""

from pathlib import Path

from mnist_exp.errors import JobError
from mnist_exp.status import JobStatus
from mnist_exp.sweeps.journal import Finished
from mnist_exp.workspaces.local.jobs.folder import JobFolder
from mnist_exp.workspaces.local.sweep.journal_file import JournalFile


def find_status(jobs: Path, name: str) -> JobStatus | None:
    """Return the status of a job or a sweep.

    Args:
        jobs: The folder `<outputs>/jobs`.
        name: The name of the job or sweep.

    Returns:
        None if the job does not exist, or has not ended and no command runs the job.
    """
    folder = JobFolder(jobs, name)
    if folder.is_running:
        return JobStatus.RUNNING
    try:
        status = JobStatus(folder.description().get("status", _sweep_status(folder)))
    except (JobError, ValueError):
        return None
    return status if status.is_finished else None


def _sweep_status(folder: JobFolder) -> str:
    """Return the final status of a sweep; empty if the sweep has not ended."""
    entries = JournalFile(folder.path).entries()
    ends = [entry.status for entry in entries if isinstance(entry, Finished)]
    return ends[-1] if ends else ""
