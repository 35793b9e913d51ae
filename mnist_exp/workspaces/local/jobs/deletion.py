"""Delete folders that a script has filled."""

import shutil
import subprocess
from pathlib import Path


def delete_folder(folder: Path) -> None:
    """Delete a folder with its files, if it exists. Files that cannot be deleted stay.

    `shutil.rmtree` calls itself for each nested folder. 1,000 nested folders therefore raise a
    RecursionError. The program `rm` has no such limit.
    """
    try:
        shutil.rmtree(folder, ignore_errors=True)
    except RecursionError:
        subprocess.run(["rm", "-rf", "--", folder], capture_output=True, check=False)
