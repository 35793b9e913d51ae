"""Compute how much each parameter influences the result of a trial, with Optuna's fANOVA.

https://optuna.readthedocs.io/en/stable/reference/generated/optuna.importance.FanovaImportanceEvaluator.html
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from optuna.importance import FanovaImportanceEvaluator, get_param_importances

optuna.logging.set_verbosity(optuna.logging.ERROR)

#: Minimum number of trials for a meaningful result.
_LEAST_TRIALS = 4
#: The seed of the random forest that fANOVA uses. The same trials give the same shares.
_SEED = 0
#: A parameter gets a logarithmic scale if all its values are positive, and if the ratio of the
#: largest to the smallest value is at least this number.
_LOG_RATIO = 20


def parameter_importance(
    trials: Sequence[tuple[Mapping[str, Any], float]],
) -> dict[str, float]:
    """Return the share of the variance that each parameter explains, largest share first.

    Args:
        trials: The parameters and the best value of each trial. The function ignores trials whose
            best value is not finite.

    Returns:
        Parameter -> share. The sum of all shares is 1. The mapping is empty if there are too few
        trials, if all trials have the same parameters, or if all trials have the same value.
    """
    finite = [(parameters, value) for parameters, value in trials if math.isfinite(value)]
    if len(finite) < _LEAST_TRIALS or len({value for _, value in finite}) < 2:
        return {}
    names = [
        name
        for name in finite[0][0]
        if all(name in parameters for parameters, _ in finite)
        and len({str(parameters[name]) for parameters, _ in finite}) > 1
    ]
    if len(names) < 2:
        return dict.fromkeys(names, 1.0)
    distributions = {name: _distribution([one[name] for one, _ in finite]) for name in names}
    study = optuna.create_study()
    for parameters, value in finite:
        given = {name: parameters[name] for name in names}
        study.add_trial(optuna.create_trial(params=given, distributions=distributions, value=value))
    found = get_param_importances(study, evaluator=FanovaImportanceEvaluator(seed=_SEED))
    return {str(name): float(share) for name, share in found.items()}


def _distribution(values: Sequence[Any]) -> BaseDistribution:
    """Return a distribution that contains all values. Its scale is logarithmic for a wide range."""
    if not all(isinstance(value, int | float) for value in values):
        return CategoricalDistribution(tuple(dict.fromkeys(values)))
    low, high = float(min(values)), float(max(values))
    return FloatDistribution(low, high, log=low > 0 and high / low >= _LOG_RATIO)
