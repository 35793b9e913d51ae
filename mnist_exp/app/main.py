"""The entry point: Hydra composes, we check, run and report."""

import os
import sys
from pathlib import Path

import hydra
from omegaconf import DictConfig

from mnist_exp.app.display import RichDisplay
from mnist_exp.app.execution import FULL_ERROR, check, execute, report_errors
from mnist_exp.app.schemas import register_schemas
from mnist_exp.config import Stage
from mnist_exp.records import Record
from mnist_exp.workspaces.base import JobStatus
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode

__all__ = ["main"]

PACKAGE = Path(__file__).resolve().parent.parent


def main() -> None:
    """Run `mnist-exp`."""
    # Hydra prints errors in its own way unless this variable is set: we print them in ours.
    if os.environ.get("HYDRA_FULL_ERROR"):
        os.environ[FULL_ERROR] = "1"
    os.environ["HYDRA_FULL_ERROR"] = "1"
    register_schemas()
    command = _Command()
    entry = hydra.main(version_base="1.3", config_path=str(_conf()), config_name="config")
    with report_errors() as outcome:
        entry(command)()
    if len(command.records) > 1 or command.is_multirun:
        RichDisplay().comparison(command.records)
    sys.exit(max(outcome.exit_code, command.exit_code))


class _Command:
    """What Hydra calls for the run, or for each variant of a multirun."""

    # Hydra names the job after its function.
    __name__ = "mnist_exp"
    __qualname__ = "mnist_exp"

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.exit_code = 0
        self.is_multirun = False

    def __call__(self, composed: DictConfig) -> None:
        hydra_config = HydraConfig.get()
        self.is_multirun = hydra_config.mode is RunMode.MULTIRUN
        if not self.is_multirun:
            self.records.append(execute(composed))
            return
        self._run_variant(composed, hydra_config)

    def _run_variant(self, composed: DictConfig, hydra_config: DictConfig) -> None:
        """Run one variant; its failure is a row of the table, and the others still run."""
        RichDisplay().variant(hydra_config)
        with report_errors() as outcome:
            check(composed, hydra_config)
            self.records.append(execute(composed))
        if outcome.exit_code:
            self.exit_code = max(self.exit_code, outcome.exit_code)
            self.records.append(self._failed(composed, hydra_config, outcome.why))


def _conf() -> Path:
    """Return the config folder: inside the package when installed, else at the repository's top."""
    installed = PACKAGE / "conf"
    return installed if installed.is_dir() else PACKAGE.parent / "conf"
