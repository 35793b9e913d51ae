from pathlib import Path

import pytest

from mnist_exp.interrupts import Interrupts
from mnist_exp.workspaces.local.jobs.environment import TrackedRun
from mnist_exp.workspaces.local.jobs.folder import JobFolder
from mnist_exp.workspaces.local.jobs.host import JobHost
from mnist_exp.workspaces.local.jobs.running_job import RunningJob
from tests.support.small_jobs import command_job
from tests.support.watching import Watcher


@pytest.mark.parametrize("is_forked", [False, True])
def test_only_a_job_that_is_no_fork_names_the_library_that_it_imports(
    tmp_path: Path, is_forked: bool
) -> None:
    (tmp_path / "fit.py").write_text("import tensorflow")
    job = command_job("python fit.py", code=tmp_path)
    host = JobHost(
        tmp_path,
        lambda: pytest.fail("the store is not needed"),
        Watcher(),
        Interrupts(),
        fork_server=tmp_path if is_forked else None,
    )
    run = TrackedRun("", "", "", tmp_path)
    running = RunningJob(job, host, JobFolder(tmp_path, "job"), run).running({})
    assert running.library == ("" if is_forked else "TensorFlow")
