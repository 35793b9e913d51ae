"""The values of metrics, which the tracker queues and an MLflow run logs."""

from dataclasses import dataclass


@dataclass(frozen=True)
class MetricValue:
    """One value of one metric.

    Attributes:
        key: The metric's name.
        value: The measured value.
        step: The epoch, from 1.
        timestamp: Milliseconds since 1970.
    """

    key: str
    value: float
    step: int
    timestamp: int
