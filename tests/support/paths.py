"""Folders of the repository."""

from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
#: Hydra's config folder.
CONF = REPOSITORY / "conf"
#: The folder of the `sitecustomize` module that blocks connections except to loopback.
GUARD = REPOSITORY / "tests" / "guard"
