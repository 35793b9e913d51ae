"""The folders of a run, and the check that a folder can be written."""

import os
import tempfile
from contextlib import suppress
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from mnist_exp.cli.error_output import unwritable
from mnist_exp.errors import OutputsError

#: The config keys of the folders of a run.
RUN_DIR, SUBFOLDER = "hydra.run.dir", "hydra.output_subdir"


def run_folders(hydra_config: DictConfig) -> dict[str, Path]:
    """Return config key -> folder, for the run folder and for the folder of Hydra's files in it.

    A variant of a multirun has only the run folder, which Hydra has already created.
    """
    # Hydra calls the callback before it creates the run folder.
    if not OmegaConf.is_missing(hydra_config.runtime, "output_dir"):
        return {RUN_DIR: Path(hydra_config.runtime.output_dir)}
    # Return exactly the path that Hydra will use. Hydra removes the `..` of outputs_dir=../results,
    # but pathlib would keep the `..`.
    folder = Path(os.path.abspath(hydra_config.run.dir))  # noqa: PTH100
    subfolder = hydra_config.output_subdir
    return {RUN_DIR: folder} | ({SUBFOLDER: folder / subfolder} if subfolder else {})


def check_writable(folder: Path, key: str = "outputs_dir") -> None:
    """Check that a folder can be written. The check leaves no new files or folders.

    Args:
        folder: The folder, which may not exist yet.
        key: The config key that sets the folder.

    Raises:
        OutputsError: The folder cannot be created or written.
    """
    created = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"\0" * 65536)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise OutputsError(unwritable(folder, error, key)) from error
    finally:
        for path in created:
            # rmdir fails if another command has written to the folder meanwhile. The folder then
            # stays.
            with suppress(OSError):
                path.rmdir()
