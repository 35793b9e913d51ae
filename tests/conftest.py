"""Rules for all tests.

- Tests connect only to loopback.
- Tests that use processes, stores or sockets have the mark `external`.
- Tests that share an expensive fixture run on one worker.
- No test leaves a file or a socket open.
"""

import compileall
import gc
import os
import signal
import sys
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from tests.azure_emulator.certificates import Certificates, make_certificates
from tests.guard.sitecustomize import LOG_VARIABLE, install
from tests.support import fast_composition
from tests.support.external_use import ExternalUse, leaks_found_by_collecting
from tests.support.paths import REPOSITORY

# List a module before the modules that import it. Otherwise these modules would import it before
# pytest, and pytest could not rewrite its assertions.
pytest_plugins = [
    "tests.support.command_line",
    "tests.support.in_process",
    "tests.support.sample_digits",
    "tests.support.tutorial",
    "tests.support.azure_commands",
]

#: Folders whose tests are external: the tests start processes, or open MLflow stores or sockets.
#: An external file or test in another folder has the mark `external`. Without the mark, it fails.
EXTERNAL_FOLDERS = tuple(
    REPOSITORY / "tests" / name
    for name in (
        "benchmarks",
        "commands",
        "contracts",
        "examples",
        "serving",
        "trainer",
        "workspaces",
    )
)

#: The same number as in `mnist_exp.cli`. Python's default is 700. With this default, garbage
#: collection takes a fifth of the time of a short test.
_OBJECTS_BETWEEN_COLLECTIONS = 50_000

# If a shell starts pytest in the background, pytest ignores these signals. Every command under test
# would then ignore the signals too. Therefore restore the default handlers.
for _number, _default in (
    (signal.SIGINT, signal.default_int_handler),
    (signal.SIGHUP, signal.SIG_DFL),
):
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, _default)

fast_composition.install()
_external_use = ExternalUse()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of this suite."""
    parser.addoption("--fast", action="store_true", help="do not run the external tests")
    parser.addoption("--rewrite-wire", action="store_true", help="see tests/workspaces/azure")
    parser.addoption("--data", type=Path, help="folder with MNIST's four files, for soak tests")


def pytest_configure(config: pytest.Config) -> None:
    """Compile the packages once. The commands under test write no bytecode."""
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS)
    _external_use.watch()
    if not hasattr(config, "workerinput"):
        for name in ("mnist_exp", "trainer"):
            compileall.compile_dir(REPOSITORY / name, quiet=1)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """With `--fast`, do not even import external tests: some import TensorFlow or Azure's SDK."""
    if config.getoption("fast") and collection_path in EXTERNAL_FOLDERS:
        return True
    return None


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark and order the tests, and keep tests that share a fixture on one worker."""
    for item in items:
        if any(folder in item.path.parents for folder in EXTERNAL_FOLDERS):
            item.add_marker("external")
        if not item.get_closest_marker("xdist_group") and (group := _shared_fixture(item)):
            item.add_marker(pytest.mark.xdist_group(group))
    # Start with the external tests, which are long. The short tests then fill the gaps at the end.
    items.sort(key=_is_internal)
    if config.getoption("fast"):
        config.hook.pytest_deselected(items=[item for item in items if not _is_internal(item)])
        items[:] = [item for item in items if _is_internal(item)]


def pytest_collection_finish() -> None:
    """Exempt all present objects from later garbage collections.

    The code under test freezes and unfreezes the objects of its own process. In this process, a
    test could then leave a file open unnoticed, or each collection would visit all libraries.
    """
    gc.collect()
    gc.freeze()
    gc.freeze = gc.unfreeze = lambda: None


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """Clear the record of the external use by earlier tests."""
    _external_use.forget()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> Generator[None]:
    """Fail an external test without the mark, and a test that left a file or a socket open.

    After the last test of a module, search the objects of the module's fixtures too.
    """
    yield
    if _is_internal(item):
        used = ", ".join(sorted(_external_use.found))
        assert not used, f"this test used {used}: mark it with @pytest.mark.external"
    elif leaks := leaks_found_by_collecting(nextitem is None or nextitem.path != item.path):
        pytest.fail("\n".join(["this test, or its fixtures, left something open:", *leaks]))


def _is_internal(item: pytest.Item) -> bool:
    return item.get_closest_marker("external") is None


def _shared_fixture(item: pytest.Item) -> str | None:
    """Return a name for the module's fixture that a test shares with others, if there is one."""
    assert isinstance(item, pytest.Function)
    for name, definitions in item._fixtureinfo.name2fixturedefs.items():
        if definitions[-1].scope == "module":
            parameter = item.callspec.indices.get(name, "") if hasattr(item, "callspec") else ""
            return f"{item.path.relative_to(REPOSITORY)}:{name}{parameter}"
    return None


@pytest.fixture(scope="session", autouse=True)
def socket_guard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Block connections of tests and their commands, except to loopback; fail after an attempt."""
    log = tmp_path_factory.mktemp("guard") / "attempts.txt"
    os.environ[LOG_VARIABLE] = str(log)
    install()
    yield
    del os.environ[LOG_VARIABLE]
    attempts = log.read_text(encoding="utf-8") if log.exists() else ""
    assert not attempts, f"something tried to leave loopback:\n{attempts}"


@pytest.fixture(scope="session", autouse=True)
def unused_user_cache(cache: Path) -> Iterator[None]:
    """Let no test, and no process that a test starts, use the caches of the real user."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(cache))
        # The user may have chosen another cache for uv.
        patch.setenv("UV_CACHE_DIR", str(cache / "uv"))
        yield


@pytest.fixture(scope="session", autouse=True)
def unchanged_packages() -> Iterator[None]:
    """Fail if a test, or a job of a test, has changed the packages of this environment."""
    before = _installed_packages()
    yield
    assert _installed_packages() == before


def _installed_packages() -> set[str]:
    """Return the name and version of each installed package, as `pip freeze` would print them."""
    folders = [Path(path) for path in sys.path if path.endswith("-packages")]
    return {str(about) for folder in folders for about in folder.glob("*.dist-info")}


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """A certificate authority and its certificate for 127.0.0.1, for the emulator of Azure."""
    return make_certificates(tmp_path_factory.mktemp("certificates"))
