"""Hydra with less work for each composition, since the suite composes about a thousand configs.

For each composition, Hydra parses the same files again. The functions below parse a file once. Each
composition still gets a copy of its own, which the composition may change.
"""

import pickle
from pathlib import Path
from typing import IO, Any

import hydra
from hydra.core.config_store import ConfigStore
from omegaconf import OmegaConf

from tests.support.paths import CONF

#: No test changes a file in these folders.
_FOLDERS = tuple(f"{folder}/" for folder in (CONF, Path(hydra.__file__).parent / "conf"))

_load = OmegaConf.load
_parsed: dict[str, bytes] = {}


def install() -> None:
    """Change Hydra in this process."""
    OmegaConf.load = staticmethod(_load_once)
    # Hydra copies the store, and then copies each config that it reads from the store.
    ConfigStore.__deepcopy__ = lambda store, memo: store


def _load_once(file: str | Path | IO[Any]) -> Any:
    """Return the content of a YAML file. Parse each file of `_FOLDERS` only once."""
    name = str(getattr(file, "name", file))
    if not name.startswith(_FOLDERS):
        return _load(file)
    if name not in _parsed:
        _parsed[name] = pickle.dumps(_load(file))
    return pickle.loads(_parsed[name])
