"""Azure's rules for names, and functions that create names for jobs and endpoints.

https://learn.microsoft.com/azure/machine-learning/how-to-manage-quotas
"""

import re
import secrets
from datetime import UTC, datetime
from pathlib import Path

#: Allowed name of an endpoint or a deployment.
_ENDPOINT_NAME = re.compile(r"[a-zA-Z]([-a-zA-Z0-9]*[a-zA-Z0-9])?")
#: https://learn.microsoft.com/azure/azure-resource-manager/management/resource-name-rules
_ASSET_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_MAX_ASSET_NAME = 255
#: https://learn.microsoft.com/azure/machine-learning/reference-yaml-core-syntax
_ENVIRONMENT_REFERENCE = re.compile(
    r"azureml://[^\s]+|(azureml:)?(/subscriptions/[^\s]+|[A-Za-z0-9][A-Za-z0-9._-]{0,254}[@:][\w.-]+)",
    re.ASCII,
)
_COMPUTE_NAME = re.compile(r"[a-zA-Z][-a-zA-Z0-9]*")
#: Maximum number of characters in the name of an MLflow parameter. Each job input and each key of a
#: search space becomes an MLflow parameter.
MAX_NAME_LENGTH = 250
_INPUT_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*(\.[a-zA-Z_][a-zA-Z0-9_]*)*")


def endpoint_name_fault(name: str) -> str | None:
    """Return the rule that an endpoint's or deployment's name breaks; None for a valid name."""
    if 3 <= len(name) <= 32 and _ENDPOINT_NAME.fullmatch(name):
        return None
    return (
        "must be 3 to 32 letters, digits and hyphens, begin with a letter "
        f"and not end with a hyphen, got {name!r}"
    )


def compute_name_fault(name: str) -> str | None:
    """Return the rule that a compute target's name breaks; None for a valid name."""
    if 3 <= len(name) <= 24 and _COMPUTE_NAME.fullmatch(name):
        return None
    return f"must be 3 to 24 letters, digits and hyphens and begin with a letter, got {name!r}"


def asset_name_fault(name: str) -> str | None:
    """Return the rule that an asset's (e.g. a model's) name breaks; None for a valid name."""
    if len(name) <= _MAX_ASSET_NAME and _ASSET_NAME.fullmatch(name):
        return None
    return (
        f"must be at most {_MAX_ASSET_NAME} letters, digits, dots, hyphens and underscores, and "
        f"begin with a letter or a digit, got {name!r}"
    )


def environment_reference_fault(reference: str) -> str | None:
    """Return the rule that a reference to an environment breaks; None for a valid reference."""
    if _ENVIRONMENT_REFERENCE.fullmatch(reference):
        return None
    return (
        "must be NAME@latest, NAME:VERSION or azureml://registries/..., where the name consists of "
        f"letters, digits, dots, hyphens and underscores, got {reference!r}"
    )


def input_name_fault(name: str) -> str | None:
    """Return the rule that an input's or output's name breaks; None for a valid name."""
    if len(name) > MAX_NAME_LENGTH:
        return f"must have at most {MAX_NAME_LENGTH} characters, got {len(name)}"
    if _INPUT_NAME.fullmatch(name):
        return None
    return f"must be letters, digits and underscores and not begin with a digit, got {name!r}"


def describe_path(path: str | None) -> str:
    """Return e.g. `is a folder` or `does not exist`, to append to the text `got PATH, which`."""
    if path is None:
        return "is not a path"
    if Path(path).exists():
        return "is a folder" if Path(path).is_dir() else "is a file"
    return "is a broken link" if Path(path).is_symlink() else "does not exist"


def new_job_name(stage: str) -> str:
    """Return a unique name for a job.

    For the jobs of one stage, the alphabetical order of the names is the order of creation, except
    for jobs of the same second.
    """
    return f"{stage}_{datetime.now(UTC):%Y%m%d_%H%M%S}_{secrets.token_hex(3)}"


def new_endpoint_name(prefix: str) -> str:
    """Return a unique name for an endpoint: the prefix and 8 random hex digits."""
    return f"{prefix}{secrets.token_hex(4)}"
