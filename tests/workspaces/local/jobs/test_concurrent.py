"""Jobs that run at the same time, when a job cannot be closed."""

from types import SimpleNamespace
from typing import Any

import pytest

from mnist_exp.interrupts import Interrupts
from mnist_exp.status import JobStatus
from mnist_exp.workspaces.base import BY_THE_USER, JobInterrupted, Outcome
from mnist_exp.workspaces.local.jobs import concurrent


class _Watch:
    """A job that runs until it is closed. A job named `broken` cannot be closed."""

    def __init__(self, name: str, closed: list[str]) -> None:
        self._name = name
        self._closed = closed
        self.running = SimpleNamespace(terminate=lambda: None, handles=[])

    def has_ended(self) -> bool:
        return False

    def close(self, why: str | None = None) -> Any:
        if self._name == "broken":
            raise OSError("database is locked")
        self._closed.append(f"{self._name}: {why}")
        return SimpleNamespace(status=JobStatus.CANCELED, name=self._name, why=why)

    def abandon(self, error: BaseException) -> None:
        self._closed.append(f"{self._name}: {error}")


@pytest.fixture
def closed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The jobs that were closed, with the reasons."""
    names: list[str] = []
    monkeypatch.setattr(concurrent, "start_job", lambda name, _: name)
    monkeypatch.setattr(concurrent, "JobWatch", lambda name, _: _Watch(name, names))
    return names


def _jobs(*names: str) -> dict[str, Any]:
    return {name: lambda name=name: (name, None) for name in names}


def test_ctrl_c_cancels_all_jobs_although_one_cannot_be_closed(closed: list[str]) -> None:
    interrupts = Interrupts()
    outcomes: dict[str, Outcome] = {}
    with pytest.raises(KeyboardInterrupt):
        for name, outcome in concurrent.run_jobs(_started(interrupts), 3, interrupts):
            outcomes[name] = outcome
    assert isinstance(outcomes["broken"], OSError)
    assert isinstance(outcomes["first"], JobInterrupted)
    assert isinstance(outcomes["last"], JobInterrupted)
    assert closed == [
        f"first: {BY_THE_USER}",
        "broken: database is locked",
        f"last: {BY_THE_USER}",
    ]


def _started(interrupts: Interrupts) -> dict[str, Any]:
    """Return three jobs. The user presses Ctrl-C when the last job has started."""
    jobs = _jobs("first", "broken", "last")

    def last() -> Any:
        interrupts.note()
        return "last", None

    return {**jobs, "last": last}


def test_an_error_of_the_caller_closes_all_jobs(closed: list[str]) -> None:
    def fail() -> Any:
        raise KeyboardInterrupt

    jobs = {**_jobs("broken", "other"), "fails": fail}
    with pytest.raises(KeyboardInterrupt):
        list(concurrent.run_jobs(jobs, 3, Interrupts()))
    assert [line.partition(":")[0] for line in closed] == ["broken", "other"]
