"""The files of the snapshot are the files that Azure's SDK uploads, for random code folders."""

import random
import shutil
from pathlib import Path

import pytest

from mnist_exp.errors import JobError
from mnist_exp.snapshot import snapshot_files
from tests.support.code_folders import REFUSALS, draw_code_folder, sdk_upload


def check(seed: int, folder: Path) -> bool:
    """Compare one random code folder; return whether the SDK refuses its ignore file."""
    code = draw_code_folder(random.Random(seed), folder)
    try:
        expected = sdk_upload(code)
    except REFUSALS:
        with pytest.raises(JobError, match=r"\.(aml|git)ignore: "):
            snapshot_files(code)
        return True
    finally:
        ignore = "".join(repr(path.read_bytes()) for path in code.glob(".*ignore"))
    found = sorted(path.as_posix() for path in snapshot_files(code))
    assert found == expected, f"seed {seed}: {ignore}"
    shutil.rmtree(folder)
    return False


@pytest.mark.filterwarnings("ignore:Possible:FutureWarning")
def test_the_snapshot_has_the_files_that_the_sdk_uploads(tmp_path: Path) -> None:
    refused = [check(seed, tmp_path / str(seed)) for seed in range(300)]
    assert 0 < sum(refused) < 100


@pytest.mark.soak
@pytest.mark.filterwarnings("ignore:Possible:FutureWarning")
def test_thousands_of_snapshots_have_the_files_that_the_sdk_uploads(tmp_path: Path) -> None:
    for seed in range(1_000, 6_000):
        check(seed, tmp_path / str(seed))
