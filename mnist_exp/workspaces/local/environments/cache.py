"""The saved environments: each environment is created once, and used by all later commands.

An environment has a folder whose name is a hash of its packages:

    environments/HASH/env               the conda environment or virtual environment
    environments/HASH/environment.json  the description; written when the environment is complete
    environments/HASH.lock              the lock
    environments/HASH.endpoints         the folders of endpoints that may use the environment

A command that creates an environment locks it. If the command is killed, the folder has no
description, and the next command creates the environment again. A command that uses an environment
holds a shared lock, so that no other command deletes the environment.
"""

import fcntl
import hashlib
import json
import os
import platform
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from mnist_exp.config import EnvConfig, EnvType
from mnist_exp.errors import ConfigError, OutputsError, RefusedError
from mnist_exp.records import INVALID_JSON, write_json
from mnist_exp.serving.settings import SETTINGS_FILE
from mnist_exp.software import Recipe, RecipeError, curated_recipe, read_conda_file
from mnist_exp.workspaces.local.environments.interpreter import Interpreter, this_interpreter
from mnist_exp.workspaces.local.environments.makers import Order, maker, without_gpu_libraries
from mnist_exp.workspaces.local.processes.job_orphans import find_processes

_DESCRIPTION = "environment.json"
_FOLDER = "env"
#: Python code that prints the path, the version and the package folders of an interpreter.
_INSPECT = """\
import json, os, site, sys
version = "%d.%d" % sys.version_info[:2]
print(json.dumps([os.path.realpath(sys.executable), version, site.getsitepackages()]))
"""


@dataclass(frozen=True)
class SavedEnvironment:
    """A saved environment.

    Attributes:
        source: The conda file, or the name of the curated environment.
        made_with: The program that created the environment.
        made_at: The time of the creation, in seconds since 1970.
        size: The size in bytes.
        executable: The program `python` of the environment.
        base: The real path of `executable`. Virtual environments of this interpreter contain a link
            to this path.
        version: The version of Python.
        site_folders: The folders of the installed packages.
    """

    source: str
    made_with: str
    made_at: float
    size: int
    executable: str
    base: str
    version: str
    site_folders: Sequence[str]

    @property
    def interpreter(self) -> Interpreter:
        """The interpreter of the environment."""
        folders = tuple(map(Path, self.site_folders))
        return Interpreter(Path(self.executable), Path(self.base), self.version, folders)


class EnvironmentCache:
    """The saved environments in one folder.

    Args:
        root: The folder. The folder may be missing.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    @contextmanager
    def using(
        self, env: EnvConfig, where: str, message: Callable[[str], None]
    ) -> Iterator[Interpreter]:
        """Yield the Python of an environment. Create the environment if it does not exist.

        A lock prevents other commands from deleting the environment until the block ends.

        Args:
            env: The environment of a job or a deployment.
            where: The config key of the environment, for messages.
            message: Function that receives a line for the user.

        Raises:
            ConfigError: The conda file is not valid, or the curated environment is unknown.
            RefusedError: The environment cannot be created on this machine.
            OutputsError: The folder of the environments cannot be written.
        """
        if env.type is EnvType.local:
            yield this_interpreter()
            return
        recipe = without_gpu_libraries(recipe_of(env, where))
        name = _hash(recipe, maker().name)
        with ExitStack() as stack:
            try:
                lock = stack.enter_context(self._opened(name))
                saved = self._saved_or_new(name, lock, Order(recipe, Path(), where, message, lock))
            except OSError as error:
                raise OutputsError(
                    f"data.cache_dir: {error.filename or self._root} cannot be written "
                    f"({error.strerror}); use another folder with data.cache_dir=FOLDER"
                ) from error
            yield saved.interpreter

    def list(self) -> Sequence[SavedEnvironment]:
        """Return the saved environments, oldest first."""
        found = [self._load(path.parent.name) for path in self._root.glob(f"*/{_DESCRIPTION}")]
        return sorted(filter(None, found), key=lambda saved: saved.made_at)

    def describe(self) -> Iterator[str]:
        """Yield a line of text for each saved environment, oldest first, then the total size."""
        found = self.list()
        for saved in found:
            days = (time.time() - saved.made_at) / 86400
            yield (
                f"{saved.source} with Python {saved.version}: {size_text(saved.size)}, "
                f"{days:.0f} days old, created with {saved.made_with}"
            )
        if found:
            yield (
                f"{size_text(sum(saved.size for saved in found))} in {self._root}; to delete the "
                "environments and the latest endpoint, run mnist-exp stage=cleanup "
                "env.delete_on_cleanup=true"
            )

    def delete_all(self) -> Iterator[str]:
        """Delete the environments that nobody uses, and yield one line for each environment."""
        for path in sorted(self._root.glob("*/")):
            saved = self._load(path.name)
            if saved is None and not path.name.isalnum():
                continue
            what = (
                f"{saved.source} ({size_text(saved.size)})"
                if saved
                else f"{path.name} (incomplete)"
            )
            is_deleted = self._delete(path.name)
            yield f"{'deleted' if is_deleted else 'in use, not deleted'}: environment {what}"

    def add_endpoint(self, interpreter: Interpreter, endpoint: Path) -> None:
        """Save that an endpoint may use an environment, so that `delete_all` keeps the environment.

        Args:
            interpreter: The Python of the environment.
            endpoint: The folder of the endpoint.
        """
        name = interpreter.programs.parent.parent
        if name.parent == self._root:
            with _endpoints_file(name).open("a", encoding="utf-8") as file:
                file.write(f"{json.dumps(str(endpoint))}\n")

    def _saved_or_new(self, name: str, lock: int, order: Order) -> SavedEnvironment:
        """Return the environment, and hold a shared lock."""
        while True:
            if not _try_lock(lock, fcntl.LOCK_SH):
                order.message("env: waiting for another command that creates this environment")
                fcntl.flock(lock, fcntl.LOCK_SH)
            if saved := self._load(name):
                return saved
            # Another command may create the environment before this command gets the lock.
            fcntl.flock(lock, fcntl.LOCK_EX)
            if self._load(name) is None:
                self._make(name, order)
            # Load the environment again with the shared lock. Another command may delete the
            # environment while this command changes the kind of the lock.

    def _make(self, name: str, order: Order) -> None:
        folder, program, source = self._root / name, maker(), order.recipe.source
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        began = time.monotonic()
        order.message(f"env: creating the environment of {source} with {program.name}")
        if order.recipe.note:
            order.message(f"env: {order.recipe.note}")
        try:
            program.make(replace(order, prefix=folder / _FOLDER))
            saved = _described(folder / _FOLDER, source, program.name)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        write_json(folder / _DESCRIPTION, asdict(saved))
        order.message(
            f"env: created in {time.monotonic() - began:.1f} s, {size_text(saved.size)}; later "
            f"commands use {folder} again"
        )

    def _delete(self, name: str) -> bool:
        folder = self._root / name
        with self._opened(name) as lock:
            programs = folder / _FOLDER / "bin"
            if not _try_lock(lock, fcntl.LOCK_EX) or _is_used(folder, programs):
                return False
            # Delete the description first. Without the description, no command uses the folder.
            (folder / _DESCRIPTION).unlink(missing_ok=True)
            shutil.rmtree(folder)
            _endpoints_file(folder).unlink(missing_ok=True)
        return True

    def _load(self, name: str) -> SavedEnvironment | None:
        try:
            text = (self._root / name / _DESCRIPTION).read_text(encoding="utf-8")
            saved = SavedEnvironment(**json.loads(text))
        except (OSError, TypeError, *INVALID_JSON):
            return None
        # The Python that a virtual environment links to may have been deleted.
        return saved if Path(saved.executable).exists() else None

    @contextmanager
    def _opened(self, name: str) -> Iterator[int]:
        self._root.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self._root / f"{name}.lock", os.O_RDWR | os.O_CREAT, 0o644)
        try:
            yield descriptor
        finally:
            os.close(descriptor)


def _endpoints_file(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.endpoints")


def _is_used(folder: Path, programs: Path) -> bool:
    """Return whether an endpoint uses an environment, even if the endpoint has been stopped.

    Args:
        folder: The folder of the environment.
        programs: The folder of its programs.
    """
    # The workers of endpoints outlive the command that held the lock. Therefore search for
    # processes whose PATH contains the environment.
    if find_processes(lambda path: str(programs) in path.split(os.pathsep), "PATH"):
        return True
    file = _endpoints_file(folder)
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    settings = (path for line in lines for path in Path(json.loads(line)).rglob(SETTINGS_FILE))
    # An update may have changed the environment of a deployment. Search the present settings.
    return any(
        json.dumps(str(programs))[1:-1] in path.read_text(encoding="utf-8") for path in settings
    )


def recipe_of(env: EnvConfig, where: str) -> Recipe:
    """Return the packages of a conda environment or a curated environment.

    Raises:
        ConfigError: The conda file is not valid, or the curated environment is unknown.
    """
    key = "name" if env.type is EnvType.curated else "conda_file"
    try:
        if env.type is EnvType.curated:
            return curated_recipe(env.name or "")
        return read_conda_file(Path(env.conda_file or ""))
    except RecipeError as error:
        raise ConfigError([f"{where}.{key}: {error}"]) from error


def size_text(size: int) -> str:
    """Return a number of bytes as text."""
    return f"{size / 2**30:.1f} GB" if size >= 2**30 else f"{size / 2**20:.0f} MB"


def _try_lock(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _hash(recipe: Recipe, program: str) -> str:
    contents = [hashlib.sha256(path.read_bytes()).hexdigest() for path in recipe.files]
    parts = [
        program,
        platform.machine(),
        recipe.python,
        list(recipe.channels),
        list(recipe.conda),
        recipe.pip_lines,
        contents,
    ]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def _described(prefix: Path, source: str, program: str) -> SavedEnvironment:
    python = prefix / "bin" / "python"
    done = subprocess.run(
        [python, "-I", "-c", _INSPECT], capture_output=True, text=True, check=False
    )
    if done.returncode:
        reason = " ".join(done.stderr.split())[-300:]
        raise RefusedError(f"env: the Python of {source} does not run: {reason}")
    base, version, folders = json.loads(done.stdout)
    sizes = [path.lstat().st_size for path in prefix.rglob("*") if not path.is_dir()]
    return SavedEnvironment(
        source=source,
        made_with=program,
        made_at=time.time(),
        size=sum(sizes),
        executable=str(python),
        base=base,
        version=version,
        site_folders=folders,
    )
