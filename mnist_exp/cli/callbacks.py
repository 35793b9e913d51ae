"""Hydra's hook before a run: everything is checked while nothing has been written yet."""

import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig

from mnist_exp.cli.execution import check, config_faults, probe, report_errors, split
from mnist_exp.cli.further_faults import FaultsFound


class CheckBeforeRun(Callback):
    """Checks config, data, records and ports before Hydra makes the run folder.

    Args:
        only_faults: Leave with the config's faults, whether there are any or not.
    """

    def __init__(self, *, only_faults: bool = False) -> None:
        self._only_faults = only_faults

    def on_run_start(self, config: DictConfig, **_: Any) -> None:
        """Check, and leave the program with one line an error.

        Raises:
            SystemExit: With status 1; Hydra swallows any `Exception` that a callback raises.
        """
        _leave_on_error(lambda: self._check(config))

    def on_multirun_start(self, config: DictConfig, **_: Any) -> None:
        """See that Hydra can make the multirun's folder; each variant is checked by itself.

        Raises:
            SystemExit: With status 1.
        """
        if self._only_faults:
            raise FaultsFound(())
        _leave_on_error(lambda: probe(Path(config.hydra.sweep.dir), "hydra.sweep.dir"))

    def _check(self, config: DictConfig) -> None:
        if self._only_faults:
            raise FaultsFound(config_faults(*split(config)))
        check(*split(config))


def _leave_on_error(step: Callable[[], None]) -> None:
    try:
        with report_errors() as outcome:
            step()
    except Exception as error:
        # With HYDRA_FULL_ERROR set; Hydra would swallow it and begin the run all the same.
        traceback.print_exc()
        raise SystemExit(1) from error
    if outcome.exit_code:
        raise SystemExit(outcome.exit_code)
