"""Bayesian sampling: configurations that depend on the results of earlier trials.

Azure ML does not document its algorithm. Local sweeps use Optuna's tree-structured Parzen
estimator:
https://optuna.readthedocs.io/en/stable/reference/samplers/generated/optuna.samplers.TPESampler.html
Each new configuration depends on the order in which trials end. A second draw could therefore give
a different configuration. When a sweep resumes, the earlier configurations and their results are
read from the journal and added to the sampler.
"""

from collections.abc import Mapping, Sequence

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from optuna.trial import TrialState

from mnist_exp.sweeps.ranking import Goal
from mnist_exp.sweeps.sampling.algorithms import Parameters, Sampling
from mnist_exp.sweeps.sampling.drawing import flat
from mnist_exp.sweeps.space.expressions import Choice, Expression
from mnist_exp.sweeps.trial import Trial

optuna.logging.set_verbosity(optuna.logging.ERROR)


class BayesianConfigurations:
    """Configurations that are drawn in the order of the trials.

    Each configuration depends on the results that are known when the configuration is drawn.

    Args:
        space: Key -> expression. As on Azure ML, only choice, uniform and quniform are supported.
        sampling: The algorithm, with a seed.
        goal: Whether large or small values of the metric are better.
        trials: For a sweep that resumes, the earlier trials in the order of their indices.
    """

    def __init__(
        self,
        space: Mapping[str, Expression],
        sampling: Sampling,
        goal: Goal,
        trials: Sequence[Trial] = (),
    ) -> None:
        self._space = space
        self._distributions = {key: _distribution(part) for key, part in space.items()}
        self._study = optuna.create_study(
            direction=goal.value,
            # Use a different seed when the sweep resumes. With the same seed, the sampler would use
            # the random numbers of the first trials again.
            sampler=optuna.samplers.TPESampler(
                seed=(sampling.seed or 0) + len(trials), constant_liar=True
            ),
        )
        for trial in trials:
            self._add(trial, goal)

    def __getitem__(self, index: int) -> Parameters:
        """Draw the next configuration.

        Raises:
            ValueError: The index is not the index of the next trial.
        """
        drawn = self._study.ask(self._distributions)
        if drawn.number != index:
            raise ValueError(f"the next trial is {drawn.number}, asked for {index}")
        return {key: _value(part, drawn.params[key]) for key, part in self._space.items()}

    def tell(self, trial: int, value: float | None) -> None:
        """Receive the best value of a trial that has ended; None if no value is finite."""
        if value is None:
            self._study.tell(trial, state=TrialState.FAIL)
        else:
            self._study.tell(trial, value)

    def _add(self, trial: Trial, goal: Goal) -> None:
        value = trial.best(goal)
        state = TrialState.COMPLETE if value is not None else TrialState.FAIL
        if not trial.status.is_finished:
            state, value = TrialState.RUNNING, None
        params = {key: _drawn(part, trial.parameters[key]) for key, part in self._space.items()}
        self._study.add_trial(
            optuna.create_trial(
                state=state, value=value, params=params, distributions=self._distributions
            )
        )


def _distribution(expression: Expression) -> BaseDistribution:
    if isinstance(expression, Choice):
        return CategoricalDistribution(tuple(range(len(expression.values))))
    return FloatDistribution(0.0, 1.0)


def _value(expression: Expression, drawn: float) -> int | float | str:
    if isinstance(expression, Choice):
        return flat(expression.values[int(drawn)])
    # Optuna draws the uniform number. Azure ML's formula converts the number to a value.
    return expression.value(drawn)  # type: ignore[no-any-return]


def _drawn(expression: Expression, value: int | float | str) -> int | float:
    """Return the number that `_value` would convert to `value`."""
    if isinstance(expression, Choice):
        return [flat(one) for one in expression.values].index(value)
    low, high = expression.value(0.0), expression.value(1.0)
    return min(1.0, max(0.0, (float(value) - low) / (high - low))) if high > low else 0.0
