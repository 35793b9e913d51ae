"""The contents of the emulated workspace."""

from dataclasses import dataclass, field
from typing import Any


@dataclass
class EmulatedJob:
    """A job or a trial.

    Attributes:
        body: The properties of the request.
        metrics: Name -> (value, step, milliseconds), in order of arrival.
        trials: The names of a sweep's trials, by index.
    """

    name: str
    body: dict[str, Any]
    status: str = "NotStarted"
    parent: str | None = None
    parameters: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, list[tuple[float, int, int]]] = field(default_factory=dict)
    trials: list[str] = field(default_factory=list)
    best: str | None = None
    error: str | None = None
    started_ms: int = 0
    ended_ms: int = 0
    cancel_requested: bool = False

    @property
    def is_sweep(self) -> bool:
        """Whether the job is a sweep."""
        return self.body.get("jobType") == "Sweep"


@dataclass
class Store:
    """All resources by name; assets by (name, version)."""

    computes: dict[str, dict[str, Any]] = field(default_factory=dict)
    environments: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    codes: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    models: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    jobs: dict[str, EmulatedJob] = field(default_factory=dict)
    endpoints: dict[str, dict[str, Any]] = field(default_factory=dict)
    deployments: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    keys: dict[str, list[str]] = field(default_factory=dict)
    #: (container, name) -> content.
    blobs: dict[tuple[str, str], bytes] = field(default_factory=dict)
    blob_metadata: dict[tuple[str, str], dict[str, str]] = field(default_factory=dict)
    blocks: dict[tuple[str, str, str], bytes] = field(default_factory=dict)
