"""Deployments in which one field is changed, and deployments with a new field."""

from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass, replace
from enum import Enum
from typing import Any

from mnist_exp.config import DeploymentConfig, ProbeConfig
from mnist_exp.specs import DeploymentSpec


@dataclass
class _ProbeWithNewField(ProbeConfig):
    new_field: int = 3


@dataclass(kw_only=True)
class _DeploymentWithNewField(DeploymentSpec):
    new_field: str = "text"


def with_new_fields(spec: DeploymentSpec) -> DeploymentSpec:
    """Return the deployment with a new field, as if a developer had added it to the config."""
    probe = _ProbeWithNewField(**vars(spec.liveness_probe))
    return _DeploymentWithNewField(**{**vars(spec), "liveness_probe": probe})


def each_field_changed(spec: DeploymentSpec) -> Iterator[tuple[str, DeploymentSpec]]:
    """Yield each field's dotted name, and a deployment in which only this field differs."""
    for one in fields(DeploymentConfig):
        for name, value in _changes(one.name, getattr(spec, one.name)):
            yield name, replace(spec, **{one.name: value})


def _changes(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    if is_dataclass(value) and not isinstance(value, type):
        for one in fields(value):
            for below, changed in _changes(f"{name}.{one.name}", getattr(value, one.name)):
                yield below, replace(value, **{one.name: changed})
    elif isinstance(value, Enum):
        yield name, next(one for one in type(value) if one is not value)
    elif isinstance(value, dict):
        yield name, {**value, "OTHER": "1"}
    else:
        yield name, value + 1 if isinstance(value, int) else "other"
