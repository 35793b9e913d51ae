"""One fault at a time: the command recovers, or fails with one line and succeeds when repeated.

Afterwards nothing exists twice, and after cleanup nothing exists.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from mnist_exp.config import Stage
from mnist_exp.errors import MnistExpError
from mnist_exp.status import JobStatus
from tests.azure_emulator.certificates import Certificates
from tests.azure_emulator.emulator import Emulator
from tests.azure_emulator.engines import StubEngine
from tests.azure_emulator.faults import Action, Fault
from tests.support.emulated_azure import AzureStages, SavedState, draw_nothing, use_emulator
from tests.support.odd_servers import NOT_FOUND, closed_port, text_server
from tests.workspaces.azure.fault_cases import (
    CASES,
    NETWORK_FAULTS,
    SEEDED,
    STATES,
    TRACKING,
    Case,
)

#: Few trials: the requests of all trials are alike.
OVERRIDES = ("sweep=quick", "compute.delete_on_cleanup=true")


@pytest.fixture(scope="module")
def cut_short(
    certificates: Certificates, tmp_path_factory: pytest.TempPathFactory, digits: Path
) -> Iterator[dict[str, SavedState]]:
    """For each state, the emulator and outputs after a command that failed at its request."""
    found = {}
    with pytest.MonkeyPatch.context() as patch:
        draw_nothing(patch)
        for number, (name, kind) in enumerate(STATES.items()):
            folder = tmp_path_factory.mktemp("state")
            emulator = Emulator(certificates, StubEngine(), folder / "emulator")
            use_emulator(emulator, digits, patch)
            stages = AzureStages(emulator, folder / "outputs", digits)
            if number:
                emulator.faults.inject(Fault(kind, Action.FORBIDDEN, count=-1))
                with pytest.raises(MnistExpError):
                    stages.run(Stage.all, *OVERRIDES)
            found[name] = stages.save(folder / "kept")
            stages.close()
            emulator.close()
        yield found


def marked(case: Case):
    marks = [] if str(case) in SEEDED else [pytest.mark.faults]
    return pytest.param(case, marks=marks, id=str(case))


@pytest.mark.parametrize("case", [marked(case) for case in CASES])
def test_a_fault(case: Case, cut_short: dict[str, SavedState], stages: AzureStages) -> None:
    stages.restore(cut_short[case.state])
    stages.emulator.faults.inject(Fault(case.kind, case.action))
    try:
        stages.run(Stage.all, *OVERRIDES)
    except MnistExpError as error:
        assert all(line and "\n" not in line for line in error.lines)
        assert len(error.lines[0]) < 1200
        stages.emulator.faults.clear()
        assert stages.run(Stage.all, *OVERRIDES).status is JobStatus.COMPLETED
    else:
        assert stages.emulator.faults.hits, "the fault never happened"
    assert_nothing_twice(stages.emulator)


def network_cases() -> Iterator[object]:
    """Yield every fault of the network after every state; the last state in each test run."""
    for state in STATES:
        marks = [] if state == "before the endpoint" else [pytest.mark.faults]
        for fault in NETWORK_FAULTS:
            yield pytest.param(state, fault, marks=marks)


@pytest.mark.parametrize(("state", "fault"), list(network_cases()))
def test_a_fault_of_the_network(
    state: str,
    fault: str,
    cut_short: dict[str, SavedState],
    stages: AzureStages,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stages.restore(cut_short[state])
    # azure-identity pauses for seconds between its retries.
    monkeypatch.setattr("azure.core.pipeline.policies.RetryPolicy.sleep", lambda *_: None)
    variable, value = NETWORK_FAULTS[fault]
    with text_server(NOT_FOUND) as page, monkeypatch.context() as patch:
        for name in ("NO_PROXY", "no_proxy", "https_proxy"):
            patch.delenv(name, raising=False)
        closed = f"127.0.0.1:{closed_port()}"
        patch.setenv(variable, value.format(folder=tmp_path, closed=closed, page=page))
        with pytest.raises(MnistExpError, match=variable) as caught:
            stages.run(Stage.all, *OVERRIDES)
    assert [line for line in caught.value.lines if "\n" in line] == []
    assert stages.run(Stage.all, *OVERRIDES).status is JobStatus.COMPLETED
    assert_nothing_twice(stages.emulator)


@pytest.mark.parametrize("kind", TRACKING)
def test_without_the_tracking_service_every_stage_completes(
    kind: str,
    cut_short: dict[str, SavedState],
    stages: AzureStages,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    stages.restore(cut_short["before the job"])
    stages.emulator.faults.inject(Fault(kind, Action.BROKEN, count=-1))
    assert stages.run(Stage.all, *OVERRIDES).status is JobStatus.COMPLETED
    assert stages.emulator.faults.hits
    unread = [record for record in stages.display.ended if record.unread]
    assert {record.stage for record in unread} == {Stage.train, Stage.sweep}
    assert_nothing_twice(stages.emulator)


def assert_nothing_twice(emulator: Emulator) -> None:
    store = emulator.store
    assert store.endpoints == {}
    assert store.deployments == {}
    assert store.computes == {}
    assert all(used == 0 for used in emulator.quota.used.values())
    jobs = [job for job in store.jobs.values() if job.parent is None and job.status != "Failed"]
    assert sorted(job.is_sweep for job in jobs) == [False, True]
    assert len(store.models) == 1


def test_faults_of_every_kind_are_among_the_seeded() -> None:
    assert len(SEEDED) == 40
    assert {case.action for case in CASES if str(case) in SEEDED} >= {
        Action.UNAUTHORIZED,
        Action.FORBIDDEN,
        Action.THROTTLED,
        Action.BROKEN,
        Action.RESET_BEFORE,
        Action.RESET_AFTER,
        Action.STALL,
    }


def test_every_kind_of_request_has_faults(emulator: Emulator, stages: AzureStages) -> None:
    stages.run(Stage.all, *OVERRIDES)
    asked = {one.kind for one in emulator.requests}
    # Credentials and the SDK itself send the requests that are excepted here.
    assert asked - {"discovery", "models.get", "models.version",
                    "environments.get", "environments.versions", "environments.version",
                    "deployment.get", "codes.version", "codes.get"} <= {
        case.kind for case in CASES
    }  # fmt: skip
