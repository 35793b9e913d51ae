"""Azure ML's ten search-space expressions.

Each expression maps one uniform number to a value by its inverse cumulative distribution, so that
random and Sobol sampling work in the same way. Formulas and names:
https://learn.microsoft.com/azure/machine-learning/how-to-tune-hyperparameters
Azure ML does not document how q-expressions round a tie; here Python's `round` decides.
"""

import math
import random
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from statistics import NormalDist
from typing import Any, ClassVar

#: The natural logarithm of the largest 32-bit float, the widest type of most networks.
_LARGEST_LOG = math.log(3.4028234663852886e38)
#: Distance that draws keep from 0 and 1, where a normal distribution has no quantile.
_TAIL = 2.0**-53
#: The largest absolute value that a standard normal draw can then have.
_WIDEST_DRAW = -NormalDist().inv_cdf(_TAIL)
#: Uniform numbers for the outermost examples of a normal distribution, at about three sigmas.
_NORMAL_ENDS = (0.001, 0.999)
#: Number of draws for the examples of a q-expression; a user may reject a step in the middle.
_STEPPED_EXAMPLES = 200


@dataclass(frozen=True)
class Expression(ABC):
    """The distribution of one hyperparameter; its fields are Azure ML's YAML keys."""

    #: The expression's type in Azure ML's YAML.
    type: ClassVar[str]
    #: Uniform numbers for the outermost examples: the lower bound, and close to the upper bound.
    ends: ClassVar[tuple[float, float]] = (0.0, 0.999)

    @abstractmethod
    def value(self, u: float) -> Any:
        """Map a uniform number in [0, 1) to a value of the distribution."""

    def faults(self) -> Iterator[tuple[str, str]]:
        """Yield `(field, broken rule)`; the field is empty if the rule concerns several fields."""
        yield from ()

    def examples(self) -> tuple[Any, ...]:
        """Return values that may be drawn: one near each end, and one between them."""
        low, high = self.ends
        return tuple(self.value(u) for u in (low, 0.382, high))


@dataclass(frozen=True)
class _Stepped(Expression):
    """A q-expression; this base class stands before the one whose draws are rounded."""

    q: float

    def value(self, u: float) -> float:
        """Return the multiple of q that is nearest to the draw."""
        # Only Expression.value is abstract; the next base class defines it.
        draw: float = super().value(u)  # type: ignore[safe-super]
        steps = draw / self.q
        # From 2**53 on every float is a whole number, and infinity cannot be rounded.
        return draw if abs(steps) >= 2.0**53 else round(steps) * self.q

    def faults(self) -> Iterator[tuple[str, str]]:
        """Yield the faults of the distribution, and a fault if q is not above 0."""
        yield from super().faults()
        if self.q <= 0:
            yield "q", f"must be above 0, got {self.q:g}"

    def examples(self) -> tuple[float, ...]:
        """Return all steps that may be drawn, or many of them."""
        low, high = self.ends
        share = (high - low) / (_STEPPED_EXAMPLES - 1)
        draws = (self.value(low + share * number) for number in range(_STEPPED_EXAMPLES))
        return tuple(dict.fromkeys(draws))


@dataclass(frozen=True)
class Choice(Expression):
    """One of `values`, all equally likely: integers, floats, strings or mappings.

    A mapping may hold expressions. They form a subspace that is drawn only if the mapping is
    chosen. Their uniform numbers are derived from the fraction that the choice does not use, so
    the even spread of a Sobol sequence does not extend to them.
    """

    type: ClassVar[str] = "choice"
    values: tuple[Any, ...]

    def value(self, u: float) -> Any:
        """Return one element, with its own expressions drawn."""
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
        """Return every element that is not a mapping."""
        return tuple(value for value in self.values if not isinstance(value, Mapping))

    @property
    def has_subspace(self) -> bool:
        """Whether one of the values holds expressions."""
        mappings = [value for value in self.values if isinstance(value, Mapping)]
        return any(isinstance(part, Expression) for value in mappings for part in value.values())


@dataclass(frozen=True)
class Randint(Expression):
    """A whole number from 0 to below `upper`."""

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
        """Yield a fault if the bounds are in the wrong order or too far apart for a float."""
        if self.min_value >= self.max_value:
            yield "", _order("min_value", "max_value", self.min_value, self.max_value)
        elif not math.isfinite(self.max_value - self.min_value):
            yield "", f"the range is too wide, got {self.min_value:g} to {self.max_value:g}"


@dataclass(frozen=True)
class QUniform(_Stepped, Uniform):
    """`round(uniform / q) * q`; rounding may exceed a bound by up to q / 2."""

    type: ClassVar[str] = "quniform"


@dataclass(frozen=True)
class LogUniform(Expression):
    """`base ** uniform(min_value, max_value)`; the bounds are logarithms, by default natural ones.

    `base` is the `logbase` of the sampling algorithm, not a key of the expression. The SDK
    documents `logbase` only as "base for log based random sampling"; here it is the number that is
    raised to the power.
    """

    type: ClassVar[str] = "loguniform"
    min_value: float
    max_value: float
    base: float = field(default=math.e, kw_only=True)

    def value(self, u: float) -> float:
        """Return `base ** (min_value + u * (max_value - min_value))`."""
        return _power(self.base, _between(self.min_value, self.max_value, u))

    def faults(self) -> Iterator[tuple[str, str]]:
        """Yield a fault for bounds in the wrong order, or beyond the range of a 32-bit float."""
        if self.min_value >= self.max_value:
            yield "", _order("min_value", "max_value", self.min_value, self.max_value)
        for name, bound in (("min_value", self.min_value), ("max_value", self.max_value)):
            if abs(bound * math.log(self.base)) > _LARGEST_LOG:
                yield (
                    name,
                    f"is a logarithm, got {bound:g}, which stands for "
                    f"{_base_word(self.base)}^{bound:g}; use low and high for actual bounds",
                )


@dataclass(frozen=True)
class QLogUniform(_Stepped, LogUniform):
    """`round(loguniform / q) * q`."""

    type: ClassVar[str] = "qloguniform"


@dataclass(frozen=True)
class Normal(Expression):
    """A normal number with mean `mu` and standard deviation `sigma`."""

    type: ClassVar[str] = "normal"
    ends = _NORMAL_ENDS
    mu: float
    sigma: float

    def value(self, u: float) -> float:
        """Return the normal quantile at u."""
        return _quantile(self.mu, self.sigma, u)

    def faults(self) -> Iterator[tuple[str, str]]:
        """Yield a fault if sigma is not above 0, or if a draw may be infinite."""
        yield from _spread_faults(self.sigma)
        if not math.isfinite(abs(self.mu) + _WIDEST_DRAW * self.sigma):
            yield "", f"draws would be infinite, got mu {self.mu:g} and sigma {self.sigma:g}"


@dataclass(frozen=True)
class QNormal(_Stepped, Normal):
    """`round(normal / q) * q`."""

    type: ClassVar[str] = "qnormal"


@dataclass(frozen=True)
class LogNormal(Expression):
    """`base ** normal(mu, sigma)`; `base` as for `LogUniform`."""

    type: ClassVar[str] = "lognormal"
    ends = _NORMAL_ENDS
    mu: float
    sigma: float
    base: float = field(default=math.e, kw_only=True)

    def value(self, u: float) -> float:
        """Return `base` raised to the normal quantile at u."""
        return _power(self.base, _quantile(self.mu, self.sigma, u))

    def faults(self) -> Iterator[tuple[str, str]]:
        """Yield a fault if sigma is not above 0, or if a draw may be infinite."""
        yield from _spread_faults(self.sigma)
        widest = (abs(self.mu) + _WIDEST_DRAW * self.sigma) * abs(math.log(self.base))
        if widest > math.log(1.7e308):
            yield (
                "",
                f"mu and sigma describe the logarithm, got {self.mu:g} and {self.sigma:g}, "
                "which would draw infinite values; use smaller ones",
            )


@dataclass(frozen=True)
class QLogNormal(_Stepped, LogNormal):
    """`round(lognormal / q) * q`."""

    type: ClassVar[str] = "qlognormal"


def _between(low: float, high: float, u: float) -> float:
    # Rounding may make the sum exceed the bound by one unit in the last place.
    return min(low + u * (high - low), high)


def _quantile(mu: float, sigma: float, u: float) -> float:
    # A normal distribution has no quantile at 0 and 1.
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
