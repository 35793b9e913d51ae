"""Number 8 of the list of conformance tests, as far as it needs a running job."""

import os
from pathlib import Path

from mnist_exp.specs import PathInput
from mnist_exp.workspaces.local.workspace import LocalWorkspace
from tests.support.small_jobs import command_job
from tests.support.watching import Watcher


def test_8_a_ro_mount_is_protected_and_files_outside_of_outputs_are_gone(
    workspace: LocalWorkspace, outputs: Path, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "digits").write_text("1 2 3")
    command = "stat -c %a {{inputs.data}} {{inputs.data}}/digits > outputs/modes; echo > elsewhere"
    job = command_job(command, inputs={"data": PathInput(data, mode="ro_mount")})
    workspace.submit(job)
    workspace.watch(job.name, Watcher())
    folder = outputs / "jobs" / job.name
    assert (folder / "outputs" / "modes").read_text().split() == ["555", "444"]
    left = {name for _, _, names in os.walk(folder) for name in names}
    assert "elsewhere" not in left
