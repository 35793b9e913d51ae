"""Azure ML's ten search-space expressions.

Each maps one uniform number to a value by its inverse cumulative distribution, so that random
and Sobol sampling share a path. Formulas and names:
https://learn.microsoft.com/azure/machine-learning/how-to-tune-hyperparameters
Which way Azure ML rounds a tie of the q-expressions is not published; ours is Python's `round`.
"""

import math
import random
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from statistics import NormalDist
from typing import Any, ClassVar

# exp of this is the largest 32-bit float, the widest that a network trains in.
_LARGEST_LOG = math.log(3.4028234663852886e38)
# The end of the unit interval that draws are kept away from, and where that leaves a normal draw.
_TAIL = 2.0**-53
_WIDEST_DRAW = -NormalDist().inv_cdf(_TAIL)
# Where the examples of a normal number end, at about three sigmas: beyond, hardly a draw falls.
_NORMAL_ENDS = (0.001, 0.999)
# How many examples of a q-expression are taken: steps may be refused that lie among others.
_STEPPED_EXAMPLES = 200


@dataclass(frozen=True)
class Expression(ABC):
    """A distribution of one hyperparameter; its fields are Azure ML's YAML keys."""

    #: Azure ML's word for it in YAML.
    type: ClassVar[str]
    #: Where examples end, as uniform numbers: the lower bound, and near the upper one.
    ends: ClassVar[tuple[float, float]] = (0.0, 0.999)

    @abstractmethod
    def value(self, u: float) -> Any:
        """Map a uniform number in [0, 1) to a value of the distribution."""

    def faults(self) -> Iterator[tuple[str, str]]:
        """Yield `(field, broken rule)`; the field is empty when several are at odds."""
        yield from ()

    def examples(self) -> tuple[Any, ...]:
        """Return values that show what may be drawn: about both ends, and one between them."""
        low, high = self.ends
        return tuple(self.value(u) for u in (low, 0.382, high))


@dataclass(frozen=True)
class _Stepped(Expression):
    """A q-expression: stands among the bases before the one whose draws it rounds."""

    q: float

    def value(self, u: float) -> float:
        """Return the multiple of q nearest to the draw."""
        # Abstract in Expression alone; the next of the bases has it.
        draw: float = super().value(u)  # type: ignore[safe-super]
        steps = draw / self.q
        # From 2**53 on every float is whole, and infinity cannot be rounded.
        return draw if abs(steps) >= 2.0**53 else round(steps) * self.q

    def faults(self) -> Iterator[tuple[str, str]]:
        """Those of the draw, and q above 0."""
        yield from super().faults()
        if self.q <= 0:
            yield "q", f"must be above 0, got {self.q:g}"

    def examples(self) -> tuple[float, ...]:
        """Return all steps that may be drawn, or a good part of them."""
        low, high = self.ends
        share = (high - low) / (_STEPPED_EXAMPLES - 1)
        draws = (self.value(low + share * number) for number in range(_STEPPED_EXAMPLES))
        return tuple(dict.fromkeys(draws))


@dataclass(frozen=True)
class Choice(Expression):
    """One of `values`, each as likely: integers, floats, strings or mappings.

    A mapping may hold expressions, a sub-space that is drawn only when it is chosen. Those get
    uniform numbers derived from what the choice leaves of its own, so an even (Sobol) spread
    ends at the choice.
    """

    type: ClassVar[str] = "choice"
    values: tuple[Any, ...]

    def value(self, u: float) -> Any:
        """Return one element, its own expressions drawn."""
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
        """Return each element that is not a mapping."""
        return tuple(value for value in self.values if not isinstance(value, Mapping))

    @property
    def has_subspace(self) -> bool:
        """Whether a value holds expressions of its own."""
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
        """The bounds must stand in order and not too far apart to subtract."""
        if self.min_value >= self.max_value:
            yield "", _order("min_value", "max_value", self.min_value, self.max_value)
        elif not math.isfinite(self.max_value - self.min_value):
            yield "", f"the range is too wide, got {self.min_value:g} to {self.max_value:g}"


@dataclass(frozen=True)
class QUniform(_Stepped, Uniform):
    """`round(uniform / q) * q`; rounding may step over a bound by up to q / 2."""

    type: ClassVar[str] = "quniform"


@dataclass(frozen=True)
class LogUniform(Expression):
    """`base ** uniform(min_value, max_value)`: the bounds are logarithms, natural ones by default.

    `base` is the sampling algorithm's `logbase`, not a key of the expression. What Azure ML does
    with `logbase` is documented in the SDK's words alone ("base for log based random sampling");
    we read it as the number that is raised.
    """

    type: ClassVar[str] = "loguniform"
    min_value: float
    max_value: float
    base: float = field(default=math.e, kw_only=True)

    def value(self, u: float) -> float:
        """Return `base ** (min_value + u * (max_value - min_value))`."""
        return _power(self.base, _between(self.min_value, self.max_value, u))

    def faults(self) -> Iterator[tuple[str, str]]:
        """The bounds in order, and what they are raised to a number that a network can use."""
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
        """Sigma above 0, and no draw beyond what a float holds."""
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
        """Sigma above 0, and no draw beyond what a float holds."""
        yield from _spread_faults(self.sigma)
        widest = (abs(self.mu) + _WIDEST_DRAW * self.sigma) * abs(math.log(self.base))
        if widest > math.log(1.7e308):
            yield (
                "",
                f"mu and sigma are of the logarithm, got {self.mu:g} and {self.sigma:g}, "
                "which would draw infinite values; take smaller ones",
            )


@dataclass(frozen=True)
class QLogNormal(_Stepped, LogNormal):
    """`round(lognormal / q) * q`."""

    type: ClassVar[str] = "qlognormal"


def _between(low: float, high: float, u: float) -> float:
    # Rounding may carry the sum past the bound by one unit in the last place.
    return min(low + u * (high - low), high)


def _quantile(mu: float, sigma: float, u: float) -> float:
    # 0 and 1 have no normal quantile.
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
