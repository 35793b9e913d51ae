"""Groups of jobs. The jobs of a group use one Python environment and one fork server."""

import tempfile
from collections import Counter
from collections.abc import Callable, Hashable, Iterable
from contextlib import AbstractContextManager, ExitStack, suppress
from dataclasses import replace
from pathlib import Path

from mnist_exp.interrupts import Interrupts
from mnist_exp.specs import CommandJob
from mnist_exp.workspaces.base import Observer
from mnist_exp.workspaces.local.jobs.deletion import delete_folder
from mnist_exp.workspaces.local.jobs.folder import JobFolder
from mnist_exp.workspaces.local.jobs.host import JobHost
from mnist_exp.workspaces.local.jobs.launching import JobLauncher


class JobGroups:
    """The contexts of several jobs.

    Args:
        open_host: Function that returns the context of a job as a context manager.
    """

    def __init__(
        self, open_host: Callable[[CommandJob, Observer], AbstractContextManager[JobHost]]
    ) -> None:
        self._open_host = open_host
        self._opened = ExitStack()
        self._hosts: dict[Hashable, JobHost] = {}
        self._sizes: Counter[Hashable] = Counter()

    def expect(self, jobs: Iterable[CommandJob]) -> None:
        """Count the jobs of each group. A single job starts as fast without a fork server."""
        self._sizes.update(map(_group, jobs))

    def host(self, job: CommandJob, observer: Observer) -> JobHost:
        """Return the context of a job. The first call for a group starts the fork server."""
        group = _group(job)
        if group not in self._hosts and self._sizes[group] > 1:
            self.start_fork_server(job, observer)
        elif group not in self._hosts:
            self._hosts[group] = self._opened.enter_context(self._open_host(job, observer))
        host = self._hosts[group]
        if isinstance(host.launcher, JobLauncher) and host.launcher.is_loading:
            observer.idle()
        request = JobFolder(host.root, job.name).cancel_request
        # A killed command may have left the file.
        request.unlink(missing_ok=True)
        return replace(host, observer=observer, interrupts=Interrupts(request))

    def start_fork_server(self, job: CommandJob, observer: Observer) -> None:
        """Start the fork server of a job's group. The server then imports the libraries."""
        host = self._opened.enter_context(self._open_host(job, observer))
        first = JobFolder(host.root, job.name).path
        first.mkdir(parents=True, exist_ok=True)
        # The path identifies the processes of the server, so each server gets a new folder.
        folder = Path(tempfile.mkdtemp(dir=first, prefix="fork_server_"))
        launcher = JobLauncher(folder, observer.message, host.interpreter)
        self._opened.callback(_close, launcher, folder)
        launcher.prepare(job, host.root.parent, host.served)
        self._hosts[_group(job)] = replace(host, launcher=launcher, fork_server=folder)

    def close(self) -> None:
        """End the fork servers. Call this method only after all jobs have ended."""
        self._opened.close()


def _close(launcher: JobLauncher, folder: Path) -> None:
    """End a fork server. Delete its folder, unless a message has named the log in the folder."""
    launcher.close()
    if not launcher.is_lost:
        delete_folder(folder)
        # Without a job in the folder, the command was interrupted before the job started.
        with suppress(OSError):
            folder.parent.rmdir()


def _group(job: CommandJob) -> Hashable:
    """Return a key that is equal for jobs that can share a fork server.

    The fork server imports the libraries of the script, and libraries read environment variables
    when they are imported.
    """
    return (
        str(job.environment),
        job.code,
        tuple(job.command.split()[:2]),
        tuple(sorted(job.environment_variables.items())),
        job.worker_count,
    )
