"""The catalogue of Azure ML's curated environments whose packages this machine can install.

The file `curated.yaml` has the packages of each environment, with the source and its date. Azure ML
updates its environments about every two weeks, so the versions in the file can be older than
Azure ML's.
"""

import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]

from mnist_exp.software.conda_file import Recipe, parse_recipe
from mnist_exp.software.pypi import RecipeError

_FILE = Path(__file__).with_name("curated.yaml")
#: `AzureML-NAME@latest`, `azureml:AzureML-NAME:3` or
#: `azureml://registries/azureml/environments/NAME/labels/latest`.
_REFERENCE = re.compile(
    r"(?:azureml://registries/[^/]+/environments/|azureml:)?(?:AzureML-)?(?P<name>[^/@:]+)"
    r"(?:@\w+|:\d+|/labels/\w+|/versions/\d+)?",
    re.IGNORECASE,
)


def curated_names() -> Sequence[str]:
    """Return the names of all environments in the catalogue."""
    return list(_catalogue())


def curated_recipe(reference: str) -> Recipe:
    """Return the packages of a curated environment.

    Args:
        reference: The name, e.g. `AzureML-sklearn-1.5@latest` or `azureml://registries/...`.

    Raises:
        RecipeError: The catalogue does not have the environment.
    """
    found = _REFERENCE.fullmatch(reference)
    name = found["name"].lower() if found else reference
    if name not in _catalogue():
        known = ", ".join(f"AzureML-{one}" for one in curated_names())
        raise RecipeError(
            f"must be a curated environment that this machine knows ({known}), got {reference!r}; "
            "use env=conda with a conda file of your own, env=local, or workspace=azure"
        )
    return parse_recipe(_catalogue()[name], f"AzureML-{name}", _FILE.parent)


@cache
def _catalogue() -> Mapping[str, Mapping[str, Any]]:
    environments: Mapping[str, Mapping[str, Any]] = yaml.safe_load(
        _FILE.read_text(encoding="utf-8")
    )
    return environments
