"""A measured value on its way to the store."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Record:
    """One value of one metric.

    Attributes:
        key: The metric's name.
        value: What was measured.
        step: The epoch, from 1.
        timestamp: When, in milliseconds since 1970.
    """

    key: str
    value: float
    step: int
    timestamp: int
