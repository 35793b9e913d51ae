"""The front of an endpoint: manages access, traffic and the workers of all deployments.

Each revision (version of a deployment) has a pool of workers. An active pool answers requests. When
a command prepares a new revision, the pool of this revision is a candidate. A candidate does not
answer requests yet.

A command changes the endpoint's files and then sends the request `apply`, so that the front reads
the files again. All saved state of the front is in these files. After a crash or a reboot, a new
front starts with the state in the files.
"""

import asyncio
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mnist_exp.serving.access import access_check
from mnist_exp.serving.files import (
    DEPLOYMENT_FILE,
    DEPLOYMENTS_FOLDER,
    ENDPOINT_FILE,
    FAILURE_FILE,
    KEYS_FILE,
    REVISIONS_FOLDER,
    SUCCEEDED,
    Credentials,
    EndpointState,
    read_json,
    replace_json,
)
from mnist_exp.serving.routing import Routing, Statistics
from mnist_exp.serving.worker import StartError
from mnist_exp.serving.worker_pool import WorkerPool

_logger = logging.getLogger(__name__)


class Front:
    """Manager of the access, traffic and workers of an endpoint.

    Args:
        folder: The endpoint's folder.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._active: dict[str, WorkerPool] = {}
        self._candidates: dict[str, WorkerPool] = {}
        self._statistics: dict[str, Statistics] = {}
        self._endings: set[asyncio.Task[None]] = set()
        self._changing = asyncio.Lock()
        self._read()

    # The application calls the following methods.

    @property
    def name(self) -> str:
        """The endpoint's name."""
        return self.saved.name

    def grants_access(self, authorization: bytes) -> bool:
        """Return whether an `Authorization` header gives access to the endpoint."""
        return self._access(authorization)

    def chosen(self) -> str | None:
        """Return a random deployment, weighted by the traffic percentages.

        None means that no deployment has traffic.
        """
        return self._routing.deployment()

    def mirror(self) -> str | None:
        """Return the deployment that gets a copy of the next request; None if no copy is sent."""
        return self._routing.mirror()

    def worker_pool(self, deployment: str) -> WorkerPool | None:
        """Return the pool of a deployment's workers; None if the deployment does not exist."""
        return self._active.get(deployment)

    def failed(self) -> list[str]:
        """Return the deployments that have traffic and have failed."""
        pools = {name: self._active.get(name) for name in self.saved.traffic}
        return sorted(name for name, pool in pools.items() if pool is None or pool.failure)

    def count(self, deployment: str, is_success: bool, seconds: float) -> None:
        """Add a request to the deployment's statistics."""
        self._statistics.setdefault(deployment, Statistics()).add(is_success, seconds)

    # The server calls the following methods.

    @property
    def drain_s(self) -> int:
        """Number of seconds after which all requests that are now in progress have an answer."""
        return max((pool.settings.drain_s for pool in self._active.values()), default=1)

    async def start(self) -> None:
        """Start all deployments. If a deployment fails, save the reason in its folder."""
        async with self._changing:
            await self._start_wanted()

    async def end(self) -> None:
        """End all workers."""
        pools = [*self._active.values(), *self._candidates.values()]
        await asyncio.gather(*(pool.end() for pool in pools), *self._endings)

    # The control server calls the following methods for the requests of commands.

    async def handle(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """Carry out a control request, and return the answer. `control` lists the requests."""
        match request["verb"]:
            case "prepare":
                return await self._prepare(request["deployment"], int(request["revision"]))
            case "apply":
                async with self._changing:
                    return await self._apply()
            case _:
                return self._report()

    async def settle(self, deployment: str) -> None:
        """Activate the candidate if the deployment's saved state contains the candidate's revision.

        Otherwise end the candidate.
        """
        candidate = self._candidates.get(deployment)
        if candidate is None:
            return
        if self._wanted().get(deployment) == candidate.number:
            async with self._changing:
                await self._apply()
        else:
            del self._candidates[deployment]
            await candidate.end()

    async def _prepare(self, deployment: str, number: int) -> Mapping[str, Any]:
        pool = self._new_pool(deployment, number)
        try:
            await pool.start()
        except StartError as error:
            return {"ready": False, "why": str(error)}
        self._candidates[deployment] = pool
        return {"ready": True}

    async def _apply(self) -> Mapping[str, Any]:
        """Read the files again and use their content. Wait until all replaced workers end."""
        self._read()
        wanted = self._wanted()
        retired = [self._active.pop(name) for name in [*self._active] if name not in wanted]
        for name, number in wanted.items():
            candidate = self._candidates.get(name)
            if candidate is not None and candidate.number == number:
                # From now on, new requests are sent to the candidate. The old pool only answers the
                # requests that the old pool has already received.
                retired += [old for old in [self._active.get(name)] if old]
                self._active[name] = self._candidates.pop(name)
                self._statistics.pop(name, None)
        await self._start_wanted()
        await asyncio.gather(*(_retire(pool) for pool in retired))
        return {"applied": True}

    def _report(self) -> Mapping[str, Any]:
        return {
            name: {
                "instances": pool.pids,
                "restarts": pool.restarts,
                "pending": pool.pending,
                **self._statistics.get(name, Statistics()).report(),
            }
            for name, pool in self._active.items()
        }

    def _read(self) -> None:
        saved = read_json(self._folder / ENDPOINT_FILE)
        keys = read_json(self._folder / KEYS_FILE)
        if saved is None or keys is None:
            # The endpoint has just been deleted. The server will notice the missing files and end.
            return
        self.saved = EndpointState(**saved)
        self._access = access_check(self.saved.auth_mode, self.name, Credentials(**keys))
        self._routing = Routing(self.saved.traffic, self.saved.mirror_traffic)

    def _wanted(self) -> dict[str, int]:
        """Return a mapping from deployment name to the revision number in its saved state."""
        found = {}
        for folder in (self._folder / DEPLOYMENTS_FOLDER).glob("*"):
            saved = read_json(folder / DEPLOYMENT_FILE)
            if saved and saved["provisioning_state"] == SUCCEEDED:
                found[folder.name] = int(saved["revision"])
        return found

    async def _start_wanted(self) -> None:
        """Start each revision of `_wanted` that is not running, including revisions that failed."""
        starts = []
        for name, number in self._wanted().items():
            pool = self._active.get(name)
            if pool is None or pool.number != number or pool.failure:
                starts.append(self._start_pool(name, number))
        await asyncio.gather(*starts)

    async def _start_pool(self, deployment: str, number: int) -> None:
        pool = self._new_pool(deployment, number)
        self._failure_file(deployment).unlink(missing_ok=True)
        before = self._active.get(deployment)
        try:
            await pool.start()
        except StartError as error:
            pool.failure = str(error)
            self._save_failure(deployment, pool, str(error))
        self._active[deployment] = pool
        if before is not None:
            await before.end()

    def _new_pool(self, deployment: str, number: int) -> WorkerPool:
        revision = self._deployment(deployment) / REVISIONS_FOLDER / str(number)
        pool = WorkerPool(revision, lambda why: self._give_up(deployment, pool, why))
        return pool

    def _give_up(self, deployment: str, pool: WorkerPool, why: str) -> None:
        self._save_failure(deployment, pool, why)
        ending = asyncio.ensure_future(pool.end())
        self._endings.add(ending)
        ending.add_done_callback(self._endings.discard)

    def _save_failure(self, deployment: str, pool: WorkerPool, why: str) -> None:
        try:
            replace_json(self._failure_file(deployment), {"revision": pool.number, "why": why})
        except OSError:
            _logger.exception("deployment %s: cannot save the reason of the failure", deployment)

    def _deployment(self, name: str) -> Path:
        return self._folder / DEPLOYMENTS_FOLDER / name

    def _failure_file(self, deployment: str) -> Path:
        return self._deployment(deployment) / FAILURE_FILE


async def _retire(pool: WorkerPool) -> None:
    await pool.drain()
    await pool.end()
