"""Bayesian sampling: configurations that learn from the trials before them, through Optuna's TPE.

Which algorithm Azure ML uses is not published. Ours is Optuna's tree-structured Parzen estimator:
https://optuna.readthedocs.io/en/stable/reference/samplers/generated/optuna.samplers.TPESampler.html
What it proposes depends on the order in which trials end, so a sweep that goes on takes the
configurations that were drawn from its journal, and tells the sampler what came of them.
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
    """Configurations drawn one after the other, each from what is known by then.

    Args:
        space: Choice, uniform and quniform alone, as Azure ML has it.
        sampling: With a seed.
        goal: Which way is better.
        trials: Those of a sweep that goes on, by index.
    """

    def __init__(
        self,
        space: Mapping[str, Expression],
        sampling: Sampling,
        goal: Goal,
        trials: Sequence[Trial] = (),
    ) -> None:
        self._space = space
        self._distributions = {key: _distribution(one) for key, one in space.items()}
        self._study = optuna.create_study(
            direction=goal.value,
            # Going on from n trials, the same numbers must not be drawn again.
            sampler=optuna.samplers.TPESampler(
                seed=(sampling.seed or 0) + len(trials), constant_liar=True
            ),
        )
        for trial in trials:
            self._add(trial, goal)

    def __getitem__(self, index: int) -> Parameters:
        """Draw the next configuration.

        Raises:
            ValueError: It is not the next one's index.
        """
        drawn = self._study.ask(self._distributions)
        if drawn.number != index:
            raise ValueError(f"the next trial is {drawn.number}, asked for {index}")
        return {key: _value(one, drawn.params[key]) for key, one in self._space.items()}

    def tell(self, trial: int, value: float | None) -> None:
        """Take in what came of a trial; None when it has no finite value."""
        if value is None:
            self._study.tell(trial, state=TrialState.FAIL)
        else:
            self._study.tell(trial, value)

    def _add(self, trial: Trial, goal: Goal) -> None:
        value = trial.best(goal)
        state = TrialState.COMPLETE if value is not None else TrialState.FAIL
        if not trial.status.is_finished:
            state, value = TrialState.RUNNING, None
        params = {key: _place(one, trial.parameters[key]) for key, one in self._space.items()}
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
    # The formulas are Azure ML's, whoever draws the uniform number.
    return expression.value(drawn)  # type: ignore[no-any-return]


def _place(expression: Expression, value: int | float | str) -> int | float:
    """Return the number that `_value` was given."""
    if isinstance(expression, Choice):
        return [flat(one) for one in expression.values].index(value)
    low, high = expression.value(0.0), expression.value(1.0)
    return min(1.0, max(0.0, (float(value) - low) / (high - low))) if high > low else 0.0
