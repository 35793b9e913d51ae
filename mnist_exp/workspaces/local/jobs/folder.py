"""The folder of a job, `<outputs>/jobs/<name>`.

The folder has the files that Azure ML would save: the artifacts in `artifacts/`, the console logs
in `user_logs/`, and `named_outputs/<name>/`. The file `job.json` describes the job. The job's
command runs in `wd/`, a copy of the code. `environment_0/` is the throw-away Python environment of
the command. `wd/` and `environment_0/` are deleted when the job ends.

The artifacts are the files of the job's MLflow run: the files that the script wrote to `./outputs`
and `./logs`, and the files that the script logged with e.g. `mlflow.log_artifact`. A script can
give an artifact any name. Therefore this program saves its own files beside `artifacts/`. `outputs`
and `logs`, in the job's folder and in `wd/`, are links to the folders in `artifacts/`.
`artifacts/user_logs/` has hard links to the console logs, so that MLflow shows the logs. If a
script deletes or replaces a link, the log in `user_logs/` does not change.
"""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from mnist_exp.errors import JobError, RefusedError
from mnist_exp.file_locks import has_locked, is_locked
from mnist_exp.records import INVALID_JSON, write_json
from mnist_exp.snapshot import copy_snapshot
from mnist_exp.status import JobStatus
from mnist_exp.workspaces.local.environments.throwaway import throwaway_folder
from mnist_exp.workspaces.local.jobs.console import Console
from mnist_exp.workspaces.local.jobs.deletion import delete_folder
from mnist_exp.workspaces.local.processes.job_process import EXIT_CODE_NAME, failure_path

#: Name of the folder with the artifacts. MLflow uses the same name.
RUN_ARTIFACTS = "artifacts"
_LOGS_NAME = "user_logs"
_KEPT = ("outputs", "logs")


class JobFolder:
    """The folder of one job.

    Args:
        root: `<outputs>/jobs`.
        name: The job's name.
        workers: Number of processes. Each process has its own console log.
    """

    def __init__(self, root: Path, name: str, workers: int = 1) -> None:
        self.path = root / name
        self.artifacts = self.path / RUN_ARTIFACTS
        self.work = self.path / "wd"
        self.inputs = self.path / "inputs"
        self.named_outputs = self.path / "named_outputs"
        #: One throw-away Python environment for each process.
        self.environments = [throwaway_folder(self.work, index) for index in range(workers)]
        names = ["std_log.txt"]
        if workers > 1:
            names = [f"std_log_process_{index}.txt" for index in range(workers)]
        self.logs = [self.path / _LOGS_NAME / name for name in names]
        self.console = Console(self.logs)
        #: The file that another command creates to cancel the job.
        self.cancel_request = self.path / "cancel_requested"
        self._description = self.path / "job.json"
        self._lock = self.path / ".lock"

    @property
    def log(self) -> Path:
        """The console log of the job, or of the first process if there are several processes."""
        return self.logs[0]

    @property
    def existing_logs(self) -> list[Path]:
        """The console logs of all processes, also if the number of processes is unknown."""
        return sorted((self.path / _LOGS_NAME).glob("std_log*.txt"))

    @property
    def exit_code(self) -> int | None:
        """The exit code of the job's command, from the file in which the exit code is saved.

        None if the file does not exist, e.g. because the job still runs or was terminated.
        """
        try:
            return int((self.path / EXIT_CODE_NAME).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None

    def forget_exit_code(self) -> None:
        """Delete the file with the exit code, and the files with the reasons of a failure."""
        for path in (self.path / EXIT_CODE_NAME, *map(self._failure_path, self.logs)):
            path.unlink(missing_ok=True)

    def recorded_failure(self, log: Path, code: int | None = None) -> str:
        """Return the reason that a process recorded when it failed; empty if there is no record.

        A child process can fail and write a record although the job continues. A record whose exit
        code differs from `code` is therefore ignored.

        Args:
            log: The console log of the process.
            code: The exit code of the process; None accepts any exit code.
        """
        try:
            record = self._failure_path(log).read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""
        recorded, _, text = record.partition("\n")
        return text if code is None or recorded == str(code) else ""

    def _failure_path(self, log: Path) -> Path:
        return failure_path(self.work, log)

    @property
    def has_outputs(self) -> bool:
        """Whether the named outputs contain a file, such as a checkpoint."""
        return any(not path.is_dir() for path in self.named_outputs.rglob("*"))

    def reset_outputs(self) -> None:
        """Rename the named outputs and delete the artifacts, before the job restarts."""
        delete_folder(self.artifacts)
        if self.named_outputs.exists():
            aside = self.path / "named_outputs_before"
            delete_folder(aside)
            self.named_outputs.rename(aside)

    def saved(self, path: str) -> Path:
        """Return the path of an artifact, e.g. `outputs/model`, or of another saved file."""
        artifact = self.artifacts / path
        return artifact if artifact.exists() else self.path / path

    @property
    def exists(self) -> bool:
        """Whether the job has been started before."""
        return self._description.exists()

    def describe(self, description: dict[str, object]) -> None:
        """Write `job.json`, which later commands read."""
        write_json(self._description, description)

    def description(self, *texts: str) -> dict[str, Any]:
        """Return the content of `job.json`.

        Args:
            texts: Keys that must have a text.

        Raises:
            JobError: The job does not exist, or the file is damaged.
        """
        try:
            content = json.loads(self._description.read_text(encoding="utf-8"))
        except (OSError, *INVALID_JSON) as error:
            raise JobError(
                f"run: the job {self.path.name} does not exist in {self.path.parent}"
            ) from error
        if not isinstance(content, dict) or not all(
            isinstance(content.get(key), str) for key in texts
        ):
            raise self._damaged()
        return content

    @property
    def run_id(self) -> str:
        """The id of the job's MLflow run.

        Raises:
            JobError: The job does not exist, or its description is damaged.
        """
        return str(self.description("mlflow_run_id")["mlflow_run_id"])

    @property
    def fork_server(self) -> str | None:
        """The folder of the fork server from which the job was forked.

        None if the job was not forked, or if the job has ended. After its end, other jobs of the
        fork server may still run.
        """
        description = self.description()
        finished = [status.value for status in JobStatus if status.is_finished]
        return None if description.get("status") in finished else description.get("fork_server")

    def _damaged(self) -> JobError:
        return JobError(
            f"run: {self._description} must be unchanged since mnist-exp wrote the file, but the "
            "file is damaged; run another job, or name another run with run=NAME"
        )

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Lock the job against other commands. If this process is killed, the lock is released.

        Raises:
            RefusedError: Another command runs the job.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        with self._lock.open("w") as file:
            if not has_locked(file):
                raise self._is_in_use()
            yield

    @property
    def is_running(self) -> bool:
        """Whether a command runs the job."""
        return is_locked(self._lock)

    def check_idle(self) -> None:
        """Check that no command runs the job, before this command writes a record.

        Raises:
            RefusedError: Another command runs the job.
        """
        if self.is_running:
            raise self._is_in_use()

    def _is_in_use(self) -> RefusedError:
        return RefusedError(
            f"run: another command is running {self.path.name}; wait until that command has ended"
        )

    def prepare(self, code: Path | None) -> None:
        """Create new folders `wd/`, `outputs/` and `logs/` for the next execution of the command.

        Older files in these folders are deleted. Named outputs are not deleted. Azure ML does the
        same when it restarts a job after an eviction.
        """
        self.clean()
        self.forget_exit_code()
        for name in _KEPT:
            delete_folder(self.artifacts / name)
        self._link_logs()
        self.work.mkdir()
        if code is not None:
            self._copy(code, self.work)
        for name in _KEPT:
            kept, link = self.artifacts / name, self.work / name
            # If the snapshot of the code contains a folder with this name, keep its files.
            if link.is_dir():
                link.rename(kept)
            kept.mkdir(exist_ok=True)
            link.symlink_to(kept, target_is_directory=True)
            if not (self.path / name).is_symlink():
                (self.path / name).symlink_to(Path(RUN_ARTIFACTS, name), target_is_directory=True)

    def _link_logs(self) -> None:
        """Create the console logs, and a hard link to each log in the artifacts."""
        for log in self.logs:
            log.parent.mkdir(parents=True, exist_ok=True)
            log.touch()
            shown = self.artifacts / _LOGS_NAME / log.name
            shown.parent.mkdir(parents=True, exist_ok=True)
            # If the file system does not support hard links, MLflow shows no console log. The job
            # does not need the links.
            with suppress(OSError):
                os.link(log, shown)

    def keep_code(self, code: Path) -> Path:
        """Save a snapshot of the code unless a snapshot exists; return the snapshot's folder."""
        kept, partial = self.path / "code", self.path / "code.part"
        if not kept.exists():
            try:
                delete_folder(partial)
                self._copy(code, partial)
                partial.rename(kept)
            finally:
                delete_folder(partial)
        return kept

    def _copy(self, code: Path, to: Path) -> None:
        copy_snapshot(code, to, leave_out=self.path.parent.parent)
        for name in _KEPT:
            if (to / name).is_file():
                raise JobError(
                    f"job.code: {name} must be a folder, because the job saves its files in this "
                    f"folder, got the file {code / name}; rename the file"
                )

    def clean(self) -> None:
        """Delete `wd/` after saving its outputs and logs, and delete the Python environments."""
        for name in _KEPT:
            folder = self.work / name
            # A script may have replaced the link by a folder. Save the files of this folder too.
            if folder.is_dir() and not folder.is_symlink():
                shutil.copytree(folder, self.artifacts / name, symlinks=True, dirs_exist_ok=True)
        delete_folder(self.work)
        for folder in self.environments:
            delete_folder(folder)
