"""The lock of a job's folder, and the look at this lock."""

import fcntl
import time
from pathlib import Path

import pytest

from mnist_exp.errors import RefusedError
from mnist_exp.workspaces.local.jobs.folder import JobFolder


def test_a_look_at_the_lock_neither_writes_nor_disturbs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = JobFolder(tmp_path, "job")
    assert not folder.is_running
    folder.path.mkdir()
    assert not folder.is_running
    assert list(folder.path.iterdir()) == []
    with folder.locked():
        assert folder.is_running
        with pytest.raises(RefusedError, match="another command is running job"):
            folder.check_idle()
        with pytest.raises(RefusedError, match="another command is running job"), folder.locked():
            pass
    # Another command looks whether the job runs, while this command starts the job.
    other = (folder.path / ".lock").open("rb")
    fcntl.flock(other, fcntl.LOCK_SH)
    assert not folder.is_running
    monkeypatch.setattr(time, "sleep", lambda _: other.close())
    with folder.locked():
        assert folder.is_running
