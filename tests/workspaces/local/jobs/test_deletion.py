"""The deletion of folders that a script has filled."""

from pathlib import Path

import pytest

from mnist_exp.workspaces.local.jobs.folder import JobFolder

pytestmark = pytest.mark.external


def test_a_script_may_leave_a_thousand_folders_in_each_other(tmp_path: Path) -> None:
    job = JobFolder(tmp_path, "job")
    job.path.mkdir()
    job.prepare(None)
    folder = job.work
    for _ in range(1200):
        folder = folder / "d"
        folder.mkdir()
    job.clean()
    assert not job.work.exists()
