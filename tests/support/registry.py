"""A check whether the configured package registry can be reached."""

import os
import subprocess
import sys
from functools import cache

import pytest

from mnist_exp.workspaces.local.environments.pip_settings import uv_variables

#: Seconds after which a registry that has not answered counts as unreachable.
_PATIENCE_S = 30


@cache
def reaches_registry() -> bool:
    """Return whether uv finds a package in the registry that the user has configured."""
    uv = pytest.importorskip("uv")
    install = [uv.find_uv_bin(), "pip", "install", "--dry-run", "--quiet", "--refresh"]
    try:
        subprocess.run(
            [*install, "--python", sys.executable, "--target", "/nonexistent", "six"],
            env={**os.environ, **uv_variables(), "UV_HTTP_RETRIES": "0"},
            capture_output=True,
            timeout=_PATIENCE_S,
            check=True,
        )
    except subprocess.SubprocessError:
        return False
    return True
