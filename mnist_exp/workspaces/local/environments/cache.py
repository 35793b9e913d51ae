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
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from mnist_exp.config import EnvConfig, EnvType
from mnist_exp.errors import ConfigError, OutputsError
from mnist_exp.file_locks import try_lock
from mnist_exp.results import size_text
from mnist_exp.software import Recipe, RecipeError, curated_recipe, read_conda_file
from mnist_exp.workspaces.local.environments.interpreter import Interpreter, this_interpreter
from mnist_exp.workspaces.local.environments.makers import Order, maker, without_gpu_libraries
from mnist_exp.workspaces.local.environments.saved import (
    DESCRIPTION,
    SavedEnvironment,
    described,
)
from mnist_exp.workspaces.local.environments.usage import add_endpoint, forget_endpoints, is_used

_FOLDER = "env"


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
        if not env.names_packages:
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
        found = [SavedEnvironment.load(path.parent) for path in self._root.glob(f"*/{DESCRIPTION}")]
        return sorted(filter(None, found), key=lambda saved: saved.made_at)

    def describe(self) -> Iterator[str]:
        """Yield a line of text for each saved environment, oldest first, then the total size."""
        found = self.list()
        for saved in found:
            yield saved.text
        if found:
            yield (
                f"{size_text(sum(saved.size for saved in found))} in {self._root}; to delete the "
                "environments and the latest endpoint, run mnist-exp stage=cleanup "
                "env.delete_on_cleanup=true"
            )

    def delete_all(self) -> Iterator[str]:
        """Delete the environments that nobody uses, and yield one line for each environment."""
        for path in sorted(self._root.glob("*/")):
            saved = SavedEnvironment.load(path)
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
            add_endpoint(name, endpoint)

    def _saved_or_new(self, name: str, lock: int, order: Order) -> SavedEnvironment:
        """Return the environment, and hold a shared lock."""
        while True:
            if not try_lock(lock, fcntl.LOCK_SH):
                order.message("env: waiting for another command that creates this environment")
                fcntl.flock(lock, fcntl.LOCK_SH)
            if saved := SavedEnvironment.load(self._root / name):
                return saved
            # Another command may create the environment before this command gets the lock.
            fcntl.flock(lock, fcntl.LOCK_EX)
            if SavedEnvironment.load(self._root / name) is None:
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
            saved = described(folder / _FOLDER, source, program.name)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        saved.save(folder)
        order.message(
            f"env: created in {time.monotonic() - began:.1f} s, {size_text(saved.size)}; later "
            f"commands use {folder} again"
        )

    def _delete(self, name: str) -> bool:
        folder = self._root / name
        with self._opened(name) as lock:
            programs = folder / _FOLDER / "bin"
            if not try_lock(lock, fcntl.LOCK_EX) or is_used(folder, programs):
                return False
            # Delete the description first. Without the description, no command uses the folder.
            (folder / DESCRIPTION).unlink(missing_ok=True)
            shutil.rmtree(folder)
            forget_endpoints(folder)
        return True

    @contextmanager
    def _opened(self, name: str) -> Iterator[int]:
        self._root.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self._root / f"{name}.lock", os.O_RDWR | os.O_CREAT, 0o644)
        try:
            yield descriptor
        finally:
            os.close(descriptor)


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
