"""Azure ML's ten search-space expressions.

To draw a value means to choose the value at random from the distribution of an expression. The
value is called a draw. Each expression maps one uniform number to a value, by the inverse
cumulative distribution. A uniform number is a number in [0, 1) from a uniform distribution. Random
sampling and Sobol sampling differ only in the uniform numbers, and can therefore use the same
expressions.

Formulas and names: https://learn.microsoft.com/azure/machine-learning/how-to-tune-hyperparameters
The expressions whose names begin with q round to a multiple of q. Azure ML does not document how a
number in the middle between two multiples is rounded. Here Python's `round` is used.
"""

import math
import random
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from statistics import NormalDist
from typing import Any, ClassVar

#: The natural logarithm of the largest 32-bit float. Most networks compute with 32-bit floats.
_LARGEST_LOG = math.log(3.4028234663852886e38)
#: Minimum distance of uniform numbers from 0 and 1. At 0 and 1, normal quantiles are infinite.
_TAIL = 2.0**-53
#: The largest absolute value of a standard normal draw. `_TAIL` limits this value.
_WIDEST_DRAW = -NormalDist().inv_cdf(_TAIL)
#: Uniform numbers for the smallest and the largest example of a normal distribution. These examples
#: are about three sigmas below and above the mean.
_NORMAL_ENDS = (0.001, 0.999)
#: Number of draws for the examples of a q-expression. `mnist_exp.checks` applies the rules of the
#: model group to the examples. A rule may accept the smallest and the largest value, but refuse a
#: value between these two. Therefore many examples are needed.
_STEPPED_EXAMPLES = 200


class Scale(StrEnum):
    """The scale on which an expression draws values evenly."""

    LINEAR = "linear"
    LOGARITHMIC = "logarithmic"
    CATEGORICAL = "categorical"


@dataclass(frozen=True)
class Expression(ABC):
    """The distribution of one hyperparameter. The names of the fields are Azure ML's YAML keys."""

    #: The expression's type in Azure ML's YAML.
    type: ClassVar[str]
    #: The scale of the values in figures, and for the importance of the hyperparameter.
    scale: ClassVar[Scale] = Scale.LINEAR
    #: Uniform numbers for the smallest and the largest example. The default 0 gives the lower
    #: bound, and the default 0.999 gives a value near the upper bound.
    ends: ClassVar[tuple[float, float]] = (0.0, 0.999)

    @abstractmethod
    def value(self, u: float) -> Any:
        """Map a uniform number in [0, 1) to a value of the distribution."""

    def faults(self) -> Iterator[tuple[str, str]]:
        """Yield `(field, broken rule)`. The field is empty if the rule is about several fields."""
        yield from ()

    def examples(self) -> tuple[Any, ...]:
        """Return three values that may be drawn: a small, a middle and a large value."""
        low, high = self.ends
        return tuple(self.value(u) for u in (low, 0.382, high))


@dataclass(frozen=True)
class _Stepped(Expression):
    """A q-expression, which rounds the draws of another expression to multiples of q.

    A subclass lists two base classes: first this class, then the expression that is rounded.
    """

    q: float

    def value(self, u: float) -> float:
        """Round a draw of the other base class to the nearest multiple of q."""
        # mypy sees an abstract method, but a subclass's second base class defines `value`.
        draw: float = super().value(u)  # type: ignore[safe-super]
        steps = draw / self.q
        # Floats from 2**53 on are whole numbers and need no rounding. Infinity cannot be rounded.
        return draw if abs(steps) >= 2.0**53 else round(steps) * self.q

    def faults(self) -> Iterator[tuple[str, str]]:
        """Yield the faults of the rounded expression, and a fault if q is not above 0."""
        yield from super().faults()
        if self.q <= 0:
            yield "q", f"must be above 0, got {self.q:g}"

    def examples(self) -> tuple[float, ...]:
        """Return multiples of q that may be drawn, at most `_STEPPED_EXAMPLES` values."""
        low, high = self.ends
        share = (high - low) / (_STEPPED_EXAMPLES - 1)
        draws = (self.value(low + share * number) for number in range(_STEPPED_EXAMPLES))
        return tuple(dict.fromkeys(draws))


@dataclass(frozen=True)
class Choice(Expression):
    """A choice of one value from a list. All values are equally likely.

    The values are integers, floats, strings or mappings. A mapping may contain expressions. These
    expressions form a subspace, which is drawn only if the mapping is chosen. The choice needs only
    the first digits of the uniform number. The remaining digits are the seed of the uniform numbers
    for the subspace. These numbers are independent draws, even if a Sobol sequence is used.
    """

    type: ClassVar[str] = "choice"
    scale: ClassVar[Scale] = Scale.CATEGORICAL
    values: tuple[Any, ...]

    def value(self, u: float) -> Any:
        """Return one of the values. In a chosen mapping, draw a value for each expression."""
        place = u * len(self.values)
        index = min(int(place), len(self.values) - 1)
        chosen = self.values[index]
        if not isinstance(chosen, Mapping):
            return chosen
        rest = place - index
        return {
            name: part.value(random.Random(f"{rest!r}:{name}").random())  # noqa: S311
            if isinstance(part, Expression)
            else part
            for name, part in chosen.items()
        }

    def examples(self) -> tuple[Any, ...]:
        """Return every value that is not a mapping."""
        return tuple(value for value in self.values if not isinstance(value, Mapping))

    @property
    def has_subspace(self) -> bool:
        """Whether one of the values is a mapping with expressions."""
        mappings = [value for value in self.values if isinstance(value, Mapping)]
        return any(isinstance(part, Expression) for value in mappings for part in value.values())


@dataclass(frozen=True)
class Randint(Expression):
    """A whole number from 0 to `upper` - 1."""

    type: ClassVar[str] = "randint"
    upper: int

    def value(self, u: float) -> int:
        """Return `floor(u * upper)`."""
        return min(int(u * self.upper), self.upper - 1)


@dataclass(frozen=True)
class Uniform(Expression):
    """A number from `min_value` to `max_value`."""

    type: ClassVar[str] = "uniform"
    min_value: float
    max_value: float

    def value(self, u: float) -> float:
        """Return `min_value + u * (max_value - min_value)`."""
        return _between(self.min_value, self.max_value, u)

    def faults(self) -> Iterator[tuple[str, str]]:
        """Yield a fault if the bounds are in the wrong order, or if their distance is infinite."""
        if self.min_value >= self.max_value:
            yield "", _order("min_value", "max_value", self.min_value, self.max_value)
        elif not math.isfinite(self.max_value - self.min_value):
            yield (
                "",
                "max_value - min_value must be a finite number, "
                f"got {self.min_value:g} to {self.max_value:g}",
            )


@dataclass(frozen=True)
class QUniform(_Stepped, Uniform):
    """A number `round(uniform / q) * q`. The result may exceed a bound by up to q / 2."""

    type: ClassVar[str] = "quniform"


@dataclass(frozen=True)
class LogUniform(Expression):
    """A number `base ** uniform(min_value, max_value)`.

    The bounds are logarithms, by default natural logarithms. `base` is the `logbase` of the
    sampling algorithm, not a key of the expression. The SDK describes `logbase` only as "base for
    log based random sampling". We assume that `logbase` is the base of the power.
    """

    type: ClassVar[str] = "loguniform"
    scale: ClassVar[Scale] = Scale.LOGARITHMIC
    min_value: float
    max_value: float
    base: float = field(default=math.e, kw_only=True)

    def value(self, u: float) -> float:
        """Return `base ** (min_value + u * (max_value - min_value))`."""
        return _power(self.base, _between(self.min_value, self.max_value, u))

    def faults(self) -> Iterator[tuple[str, str]]:
        """Yield a fault for bounds in the wrong order, and for powers outside 32-bit floats."""
        if self.min_value >= self.max_value:
            yield "", _order("min_value", "max_value", self.min_value, self.max_value)
        for name, bound in (("min_value", self.min_value), ("max_value", self.max_value)):
            if abs(bound * math.log(self.base)) > _LARGEST_LOG:
                yield (
                    name,
                    f"is a logarithm, got {bound:g}, which means a bound of "
                    f"{_base_word(self.base)}^{bound:g}; to give the bounds themselves, "
                    "use the keys low and high",
                )


@dataclass(frozen=True)
class QLogUniform(_Stepped, LogUniform):
    """A number `round(loguniform / q) * q`."""

    type: ClassVar[str] = "qloguniform"


@dataclass(frozen=True)
class Normal(Expression):
    """A normally distributed number with mean `mu` and standard deviation `sigma`."""

    type: ClassVar[str] = "normal"
    ends = _NORMAL_ENDS
    mu: float
    sigma: float

    def value(self, u: float) -> float:
        """Return the normal quantile at `u`."""
        return _quantile(self.mu, self.sigma, u)

    def faults(self) -> Iterator[tuple[str, str]]:
        """Yield a fault if sigma is not above 0, or if a draw may be infinite."""
        yield from _spread_faults(self.sigma)
        if not math.isfinite(abs(self.mu) + _WIDEST_DRAW * self.sigma):
            yield (
                "",
                f"draws could be infinite, got mu {self.mu:g} and sigma {self.sigma:g}; "
                "use smaller numbers",
            )


@dataclass(frozen=True)
class QNormal(_Stepped, Normal):
    """A number `round(normal / q) * q`."""

    type: ClassVar[str] = "qnormal"


@dataclass(frozen=True)
class LogNormal(Expression):
    """A number `base ** normal(mu, sigma)`. For `base`, see `LogUniform`."""

    type: ClassVar[str] = "lognormal"
    scale: ClassVar[Scale] = Scale.LOGARITHMIC
    ends = _NORMAL_ENDS
    mu: float
    sigma: float
    base: float = field(default=math.e, kw_only=True)

    def value(self, u: float) -> float:
        """Return `base` to the power of the normal quantile at `u`."""
        return _power(self.base, _quantile(self.mu, self.sigma, u))

    def faults(self) -> Iterator[tuple[str, str]]:
        """Yield a fault if sigma is not above 0, or if a draw may be infinite."""
        yield from _spread_faults(self.sigma)
        widest = (abs(self.mu) + _WIDEST_DRAW * self.sigma) * abs(math.log(self.base))
        if widest > math.log(1.7e308):
            yield (
                "",
                f"mu and sigma describe the logarithm, got {self.mu:g} and {self.sigma:g}, "
                "so that draws could be infinite; use smaller numbers",
            )


@dataclass(frozen=True)
class QLogNormal(_Stepped, LogNormal):
    """A number `round(lognormal / q) * q`."""

    type: ClassVar[str] = "qlognormal"


def _between(low: float, high: float, u: float) -> float:
    # Without `min`, a rounding error could give a result slightly above the upper bound.
    return min(low + u * (high - low), high)


def _quantile(mu: float, sigma: float, u: float) -> float:
    # The normal quantiles at 0 and 1 are infinite.
    return mu + sigma * NormalDist().inv_cdf(min(max(u, _TAIL), 1 - _TAIL))


def _power(base: float, exponent: float) -> float:
    return math.exp(exponent * math.log(base))


def _order(low: str, high: str, low_value: float, high_value: float) -> str:
    return f"{low} must be below {high}, got {low_value:g} and {high_value:g}"


def _spread_faults(sigma: float) -> Iterator[tuple[str, str]]:
    if sigma <= 0:
        yield "sigma", f"must be above 0, got {sigma:g}"


def _base_word(base: float) -> str:
    return "e" if base == math.e else f"{base:g}"
