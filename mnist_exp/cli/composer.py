"""Hydra's composition without `hydra.main`, for the search for faults and for the Python API."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from hydra import compose, initialize_config_dir
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import JobRuntime
from hydra.version import VersionBase
from omegaconf import DictConfig
from omegaconf.basecontainer import BaseContainer

from mnist_exp.cli.compose import config_folder
from mnist_exp.cli.primary import FOLDER_FLAGS, PrimaryConfig, search_entry

#: Function that composes a config from overrides.
Compose = Callable[[Sequence[str]], DictConfig]

#: Hydra's state is global. Only one thread at a time may change the state.
_lock = threading.RLock()


def search_folders(primary: PrimaryConfig) -> list[Path] | None:
    """Return the folders that Hydra searches after the folder of the primary config.

    Returns:
        None if we cannot compose like Hydra: the command has a flag other than `--config-dir`, or
        the folder of this flag does not exist.
    """
    folders = [] if primary.folder == config_folder() else [config_folder()]
    rest = [flag for flag in primary.flags if flag not in ("--run", "-r")]
    while rest:
        name, equals, value = rest.pop(0).partition("=")
        if name not in FOLDER_FLAGS:
            return None
        folders.append(Path(value if equals else rest.pop(0)).absolute())
    return folders if all(folder.is_dir() for folder in folders) else None


@contextmanager
def composer(primary: PrimaryConfig, folders: Sequence[Path]) -> Iterator[Compose]:
    """Provide a function that composes a config from overrides.

    Args:
        primary: The command's primary config.
        folders: The other folders that Hydra searches.
    """
    GlobalHydra.instance().clear()
    search = [f"hydra.searchpath=[{','.join(map(search_entry, folders))}]"] if folders else []
    # On the command line, Hydra names the job after the module `main`.
    with initialize_config_dir(str(primary.folder), job_name="main", version_base="1.3"):
        yield lambda overrides: compose(
            primary.name, [*search, *overrides], return_hydra_config=True
        )


@contextmanager
def isolated_hydra() -> Iterator[None]:
    """Use Hydra in a `with` block, and then restore the global state of Hydra and OmegaConf.

    The caller of the Python API may use Hydra too, for example in a function of `hydra.main`. In
    the block, Hydra's config and the running app of the caller are hidden.
    """
    with _lock:
        # Another thread that uses Hydra may have replaced the instances.
        hydra, settings = GlobalHydra.instance(), HydraConfig.instance()
        store, job = ConfigStore.instance(), JobRuntime.instance()
        version = VersionBase.instance()
        before = hydra.hydra, settings.cfg, store.repo, job.conf, version.version_base
        resolvers = dict(BaseContainer._resolvers)
        hydra.hydra, settings.cfg = None, None
        store.repo, job.conf = dict(store.repo), job.conf.copy()
        try:
            yield
        finally:
            # `initialize_config_dir` has replaced the instance.
            GlobalHydra.set_instance(hydra)
            hydra.hydra, settings.cfg, store.repo, job.conf, version.version_base = before
            BaseContainer._resolvers.clear()
            BaseContainer._resolvers.update(resolvers)
