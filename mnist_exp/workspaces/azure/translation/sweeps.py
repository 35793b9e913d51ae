"""Conversion of the parts of a sweep to entities of azure-ai-ml.

A form is the content of a request, as plain mappings (see `mnist_exp.azure_form`).
"""

from collections.abc import Callable, Mapping
from typing import Any

from azure.ai.ml import sweep as sdk


def of_type(
    classes: Mapping[str, Callable[..., Any]],
) -> Callable[[Mapping[str, Any]], Any]:
    """Return a function that converts a form to an entity.

    The form's `type` selects the class. The other fields are the arguments of the class.

    Args:
        classes: Value of `type` -> class of the entity.
    """

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
    """Return one value of a choice. If the value is a mapping, convert the expressions in it."""
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

#: Field of a sweep's form -> function that converts the field to an entity.
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
