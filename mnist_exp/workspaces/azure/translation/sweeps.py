"""The parts of a sweep as azure-ai-ml's entities."""

from collections.abc import Callable, Mapping
from typing import Any

from azure.ai.ml import sweep as sdk


def of_type(
    classes: Mapping[str, Callable[..., Any]],
) -> Callable[[Mapping[str, Any]], Any]:
    """Return a function that builds the class that a form's `type` names, from its other fields."""

    def build(form: Mapping[str, Any]) -> Any:
        fields = {name: value for name, value in form.items() if name != "type"}
        return classes[form["type"]](**fields)

    return build


def _search_space(form: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _expression(expression) for name, expression in form.items()}


def _expression(form: Mapping[str, Any]) -> Any:
    if form["type"] == "choice":
        return sdk.Choice(values=[_chosen(value) for value in form["values"]])
    return _distribution(form)


def _chosen(value: Any) -> Any:
    """Return one value of a choice; a mapping may hold expressions of its own."""
    if not isinstance(value, Mapping):
        return value
    return {
        name: _expression(part) if isinstance(part, Mapping) else part
        for name, part in value.items()
    }


_distribution = of_type(
    {
        "randint": sdk.Randint,
        "uniform": sdk.Uniform,
        "quniform": sdk.QUniform,
        "loguniform": sdk.LogUniform,
        "qloguniform": sdk.QLogUniform,
        "normal": sdk.Normal,
        "qnormal": sdk.QNormal,
        "lognormal": sdk.LogNormal,
        "qlognormal": sdk.QLogNormal,
    }
)

#: Field of a sweep -> the entity that takes it.
SWEEP_FIELDS: dict[str, Callable[[Any], Any]] = {
    "sampling_algorithm": of_type(
        {
            "random": sdk.RandomSamplingAlgorithm,
            "grid": sdk.GridSamplingAlgorithm,
            "bayesian": sdk.BayesianSamplingAlgorithm,
        }
    ),
    "search_space": _search_space,
    "objective": lambda form: sdk.Objective(**form),
    "limits": lambda form: sdk.SweepJobLimits(**form),
    "early_termination": of_type(
        {
            "bandit": sdk.BanditPolicy,
            "median_stopping": sdk.MedianStoppingPolicy,
            "truncation_selection": sdk.TruncationSelectionPolicy,
        }
    ),
}
