"""Environments that uv creates from wheels on this machine, without a network."""

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mnist_exp.config import EnvConfig, EnvType
from mnist_exp.workspaces.local.environments.cache import EnvironmentCache
from tests.support.wheels import make_wheel

VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"
#: Writes a conda file and returns the environment that it describes.
Conda = Callable[..., EnvConfig]
#: Programs that would create the environments instead of uv.
_CONDA = ("conda", "mamba", "micromamba")


@pytest.fixture(scope="module")
def offline(tmp_path_factory: pytest.TempPathFactory) -> Iterator[pytest.MonkeyPatch]:
    """Make uv create all environments, without a network, an index or the settings of the user."""
    pytest.importorskip("uv", reason="uv is not installed; run make")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("UV_OFFLINE", "UV_NO_INDEX", "UV_NO_CONFIG"):
            patch.setenv(name, "1")
        shown = [_without_conda(Path(path), tmp_path_factory) for path in os.get_exec_path()]
        patch.setenv("PATH", os.pathsep.join(map(str, shown)))
        yield patch


def _without_conda(folder: Path, make: pytest.TempPathFactory) -> Path:
    """Return a folder with links to the programs of a folder, but not to conda's programs."""
    if not any((folder / name).exists() for name in _CONDA):
        return folder
    links = make.mktemp("bin")
    for program in folder.iterdir():
        if program.name not in _CONDA:
            (links / program.name).symlink_to(program)
    return links


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory, offline: pytest.MonkeyPatch) -> Path:
    """A folder with the wheels of two versions of a package, and with a stand-in for pip."""
    folder = tmp_path_factory.mktemp("wheels")
    for version in ("1.0", "2.0"):
        make_wheel(folder, "tinypkg", version, {"tinypkg.py": f"VERSION = {version!r}"})
    make_wheel(folder, "pip", "99.0", {"pip.py": ""})
    offline.setenv("UV_FIND_LINKS", str(folder))
    return folder


@pytest.fixture(scope="module")
def conda(tmp_path_factory: pytest.TempPathFactory, wheels: Path) -> Conda:
    """Return a function that writes a conda file."""

    def write(*packages: str, python: str = f"={VERSION}", pip: str = "[]") -> EnvConfig:
        path = tmp_path_factory.mktemp("conda") / "conda.yaml"
        lines = [f"- python{python}", *(f"- {package}" for package in packages), f"- pip: {pip}"]
        path.write_text("dependencies:\n" + "\n".join(lines), encoding="utf-8")
        return EnvConfig(EnvType.conda, image="image", conda_file=str(path))

    return write


@pytest.fixture(scope="module")
def shared_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache folder whose environments the tests of a module share."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def environments(tmp_path: Path) -> EnvironmentCache:
    """An empty folder for environments."""
    return EnvironmentCache(tmp_path / "cache" / "environments")
