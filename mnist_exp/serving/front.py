"""The front of an endpoint: its deployments' workers, who may ask, and who answers.

The files are the truth. What commands change there, the front takes over when it is told to
(`apply`), and all of it when it starts: after a crash or a reboot nothing else is needed.
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
    EndpointRecord,
    read_json,
    replace_json,
)
from mnist_exp.serving.routing import Routing
from mnist_exp.serving.statistics import Statistics
from mnist_exp.serving.worker import StartError
from mnist_exp.serving.worker_pool import Group

_logger = logging.getLogger(__name__)


class Front:
    """An endpoint.

    Args:
        folder: The endpoint's folder.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._active: dict[str, Group] = {}
        self._candidates: dict[str, Group] = {}
        self._statistics: dict[str, Statistics] = {}
        self._endings: set[asyncio.Task[None]] = set()
        self._changing = asyncio.Lock()
        self._read()

    # What the application asks.

    @property
    def name(self) -> str:
        """The endpoint's name."""
        return self.record.name

    def opens(self, authorization: bytes) -> bool:
        """Whether an `Authorization` header opens the endpoint."""
        return self._access(authorization)

    def chosen(self) -> str | None:
        """Return the deployment that the traffic gives the next request to."""
        return self._routing.deployment()

    def mirror(self) -> str | None:
        """Return the deployment that gets a copy of it."""
        return self._routing.mirror()

    def group(self, deployment: str) -> Group | None:
        """Return the workers of a deployment, None if there is no such deployment."""
        return self._active.get(deployment)

    def failed(self) -> list[str]:
        """Return the deployments that have traffic and have failed."""
        groups = {name: self._active.get(name) for name in self.record.traffic}
        return sorted(name for name, group in groups.items() if group is None or group.failure)

    def count(self, deployment: str, is_success: bool, seconds: float) -> None:
        """Keep how a request went."""
        self._statistics.setdefault(deployment, Statistics()).add(is_success, seconds)

    # What the process asks.

    @property
    def drain_s(self) -> int:
        """Seconds after which every request that is under way has had its answer."""
        return max((group.settings.drain_s for group in self._active.values()), default=1)

    async def start(self) -> None:
        """Start whatever is to serve; what cannot is given up, and its files say why."""
        async with self._changing:
            await self._start_wanted()

    async def end(self) -> None:
        """End all workers."""
        groups = [*self._active.values(), *self._candidates.values()]
        await asyncio.gather(*(group.end() for group in groups), *self._endings)

    # What commands ask.

    async def handle(self, wish: Mapping[str, Any]) -> Mapping[str, Any]:
        """Do what a command wants; see `control`."""
        match wish["verb"]:
            case "prepare":
                return await self._prepare(wish["deployment"], int(wish["revision"]))
            case "apply":
                async with self._changing:
                    return await self._apply()
            case _:
                return self._report()

    async def settle(self, deployment: str) -> None:
        """Take over what was prepared if the record names it by now, else give it up."""
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
        group = self._new_group(deployment, number)
        try:
            await group.start()
        except StartError as error:
            return {"ready": False, "why": str(error)}
        self._candidates[deployment] = group
        return {"ready": True}

    async def _apply(self) -> Mapping[str, Any]:
        """Make it as the files say; return when what was replaced has ended."""
        self._read()
        wanted = self._wanted()
        retired = [self._active.pop(name) for name in [*self._active] if name not in wanted]
        for name, number in wanted.items():
            candidate = self._candidates.get(name)
            if candidate is not None and candidate.number == number:
                # From here on it gets the requests; those that the other has it still answers.
                retired += [old for old in [self._active.get(name)] if old]
                self._active[name] = self._candidates.pop(name)
                self._statistics.pop(name, None)
        await self._start_wanted()
        await asyncio.gather(*(_retire(group) for group in retired))
        return {"applied": True}

    def _report(self) -> Mapping[str, Any]:
        return {
            name: {
                "instances": group.pids,
                "restarts": group.restarts,
                "pending": group.pending,
                **self._statistics.get(name, Statistics()).report(),
            }
            for name, group in self._active.items()
        }

    def _read(self) -> None:
        record = read_json(self._folder / ENDPOINT_FILE)
        keys = read_json(self._folder / KEYS_FILE)
        if record is None or keys is None:
            # Removed while we look: the watch over the folder ends us.
            return
        self.record = EndpointRecord(**record)
        self._access = access_check(self.record.auth_mode, self.name, Credentials(**keys))
        self._routing = Routing(self.record.traffic, self.record.mirror_traffic)

    def _wanted(self) -> dict[str, int]:
        """Return the revision that is to serve, by deployment."""
        found = {}
        for folder in (self._folder / DEPLOYMENTS_FOLDER).glob("*"):
            record = read_json(folder / DEPLOYMENT_FILE)
            if record and record["provisioning_state"] == SUCCEEDED:
                found[folder.name] = int(record["revision"])
        return found

    async def _start_wanted(self) -> None:
        """Start what is to serve and does not; a revision given up is tried again."""
        starts = []
        for name, number in self._wanted().items():
            group = self._active.get(name)
            if group is None or group.number != number or group.failure:
                starts.append(self._start_one(name, number))
        await asyncio.gather(*starts)

    async def _start_one(self, deployment: str, number: int) -> None:
        group = self._new_group(deployment, number)
        self._failure_file(deployment).unlink(missing_ok=True)
        before = self._active.get(deployment)
        try:
            await group.start()
        except StartError as error:
            group.failure = str(error)
            self._note_failure(deployment, group, str(error))
        self._active[deployment] = group
        if before is not None:
            await before.end()

    def _new_group(self, deployment: str, number: int) -> Group:
        revision = self._deployment(deployment) / REVISIONS_FOLDER / str(number)
        group = Group(revision, lambda why: self._give_up(deployment, group, why))
        return group

    def _give_up(self, deployment: str, group: Group, why: str) -> None:
        self._note_failure(deployment, group, why)
        ending = asyncio.ensure_future(group.end())
        self._endings.add(ending)
        ending.add_done_callback(self._endings.discard)

    def _note_failure(self, deployment: str, group: Group, why: str) -> None:
        try:
            replace_json(self._failure_file(deployment), {"revision": group.number, "why": why})
        except OSError:
            _logger.exception("%s: why it failed cannot be written", deployment)

    def _deployment(self, name: str) -> Path:
        return self._folder / DEPLOYMENTS_FOLDER / name

    def _failure_file(self, deployment: str) -> Path:
        return self._deployment(deployment) / FAILURE_FILE


async def _retire(group: Group) -> None:
    await group.drain()
    await group.end()
