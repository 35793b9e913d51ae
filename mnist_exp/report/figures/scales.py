"""The scale of a parameter's axis: the scale of the parameter in the search space."""

from collections.abc import Sequence
from typing import Any

from mnist_exp.report.figures.canvas import drawable
from mnist_exp.sweeps.space.expressions import Scale


class ParameterScale:
    """The scale of the axis of one parameter.

    Texts have a categorical scale. If a value is not above 0, even a logarithmic parameter has a
    linear scale. For example, the value of a qloguniform can be 0.

    Attributes:
        kind: The kind of the scale.
        values: The different values, in the order of the axis.

    Args:
        name: The name of the parameter.
        values: The values of the trials, at least one.
        scale: The scale of the parameter in the search space.
    """

    def __init__(self, name: str, values: Sequence[Any], scale: Scale) -> None:
        is_numeric = all(drawable(value) and not isinstance(value, bool) for value in values)
        different = {str(value): value for value in values}
        self.values: list[Any] = sorted(different.values(), key=None if is_numeric else str)
        if not is_numeric:
            scale = Scale.CATEGORICAL
        elif scale is Scale.LOGARITHMIC and self.values[0] <= 0:
            scale = Scale.LINEAR
        self.kind = scale
        self._name = name
        self._places = {str(value): place for place, value in enumerate(self.values)}

    @property
    def label(self) -> str:
        """The label of the axis."""
        return f"{self._name} (log)" if self.kind is Scale.LOGARITHMIC else self._name

    def position(self, value: Any) -> float:
        """Return the position of a value: the number itself, or the place of its category."""
        return self._places[str(value)] if self.kind is Scale.CATEGORICAL else float(value)
