"""Compute how much each parameter influences the result of a trial, with Optuna's fANOVA.

https://optuna.readthedocs.io/en/stable/reference/generated/optuna.importance.FanovaImportanceEvaluator.html
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.importance import FanovaImportanceEvaluator, get_param_importances

from mnist_exp.sweeps.space.expressions import Scale

optuna.logging.set_verbosity(optuna.logging.ERROR)

#: Minimum number of trials for a meaningful result.
_LEAST_TRIALS = 10
#: The seed of the random forest that fANOVA uses. The same trials give the same shares.
_SEED = 0


def parameter_importance(
    trials: Sequence[tuple[Mapping[str, Any], float]], scales: Mapping[str, Scale]
) -> dict[str, float]:
    """Return the share of the variance that each parameter explains, largest share first.

    Args:
        trials: The parameters and the value of each trial. The values must be comparable: a value
            after 3 epochs must not be mixed with a value after 10 epochs. The function ignores
            trials whose value is not finite.
        scales: Parameter -> scale in the search space. The default of a parameter is linear.

    Returns:
        Parameter -> share. The sum of all shares is 1. The mapping is empty if there are fewer than
        ten trials, if all trials have the same parameters, or if all trials have the same value.
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
    columns = {name: [parameters[name] for parameters, _ in finite] for name in names}
    encoded = {name: _encoded(columns[name], scales.get(name, Scale.LINEAR)) for name in names}
    distributions = {name: distribution for name, (_, distribution) in encoded.items()}
    study = optuna.create_study()
    for row, (_, value) in enumerate(finite):
        given = {name: numbers[row] for name, (numbers, _) in encoded.items()}
        study.add_trial(optuna.create_trial(params=given, distributions=distributions, value=value))
    found = get_param_importances(study, evaluator=FanovaImportanceEvaluator(seed=_SEED))
    return {str(name): float(share) for name, share in found.items()}


def _encoded(values: Sequence[Any], scale: Scale) -> tuple[Sequence[Any], BaseDistribution]:
    """Return the values on their scale in the search space, and the distribution on this scale.

    fANOVA weights all parts of a distribution's range equally, and ignores the attribute `log` of a
    distribution. Therefore the values themselves are converted to logarithms. The numbers of a
    choice are converted to their places in the sorted choice.
    """
    if not all(isinstance(value, int | float) for value in values):
        return values, CategoricalDistribution(tuple(dict.fromkeys(values)))
    if scale is Scale.CATEGORICAL:
        order = sorted(set(values))
        return [order.index(value) for value in values], IntDistribution(0, len(order) - 1)
    is_log = scale is Scale.LOGARITHMIC and min(values) > 0
    numbers = [math.log(value) if is_log else float(value) for value in values]
    return numbers, FloatDistribution(min(numbers), max(numbers))
