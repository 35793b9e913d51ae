"""The task function, which Hydra calls for a single run and for each variant of a multirun."""

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from mnist_exp.cli.config_paths import task_overrides
from mnist_exp.cli.error_output import Outcome, report_errors
from mnist_exp.cli.hide_values import hidden_override, hide_values_of_variant
from mnist_exp.cli.prepare import hide_values_of_multirun, prepared_command
from mnist_exp.cli.variants import Variants, can_wait, may_wait


class Task:
    """The task function of a command, and the variants for which Hydra called the function.

    Attributes:
        exit_code: The highest exit code of the variants, or the exit code of the single run.
        error: An unexpected error: a bug of this program, or a BrokenPipeError.
    """

    # Hydra names a job after the module of its task function. The saved configs of runs have
    # contained the name `main` before this class had a module of its own.
    __name__ = "mnist_exp"
    __qualname__ = "mnist_exp"
    __module__ = "mnist_exp.cli.main"

    def __init__(self) -> None:
        self.exit_code = 0
        self.error: Exception | None = None
        self._variants = Variants()

    def __call__(self, composed: DictConfig) -> None:
        """Run the stage of a single run, or run or keep a variant of a multirun."""
        hydra_config = DictConfig(HydraConfig.get())
        # Catch all errors. Otherwise Hydra would print the error in Hydra's format, and would end
        # the multirun.
        try:
            if hydra_config.mode == RunMode.MULTIRUN:
                outcome = self._run_variant(composed, hydra_config)
            else:
                with report_errors() as outcome:
                    prepared_command(composed, hydra_config).run()
        except Exception as error:
            self.error = error
            raise SystemExit(1) from error
        self._end(outcome)

    def run_waiting(self) -> None:
        """Run the variants that wait."""
        self._end(self._variants.run_waiting())

    def close(self) -> None:
        """Print the table of the variants that have ended."""
        # If Hydra cannot compose a variant, Hydra does not call this function.
        hide_values_of_multirun()
        self.exit_code = max(self.exit_code, self._variants.compare().exit_code)

    def _run_variant(self, composed: DictConfig, hydra_config: DictConfig) -> Outcome:
        """Run a variant of a multirun, or let the variant wait."""
        number, record = hydra_config.job.num, None
        with report_errors() as outcome:
            # Hydra has just written these files.
            hide_values_of_multirun()
            hide_values_of_variant(hydra_config)
            if not may_wait(composed):
                # The variant may need the results of the variants that wait.
                self.run_waiting()
            overrides = [hidden_override(text) for text in task_overrides(hydra_config)]
            self._variants.add(overrides, composed, hydra_config)
            prepared = prepared_command(composed, hydra_config)
            if can_wait(prepared, hydra_config):
                self._variants.let_wait(number, prepared)
                return outcome
            record = prepared.run()
        self._variants.ended(number, record, outcome.why)
        return outcome

    def _end(self, outcome: Outcome) -> None:
        self.exit_code = max(self.exit_code, outcome.exit_code)
        if outcome.interrupted:
            raise SystemExit(outcome.exit_code)
