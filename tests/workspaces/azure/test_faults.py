"""One fault at a time: the command recovers, or says so in a line; a second one completes.

Afterwards there is no second of anything, and after cleanup there is nothing.
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
from tests.workspaces.azure.bench import Bench, State
from tests.workspaces.azure.conftest import draw_nothing, taken_for_azure
from tests.workspaces.azure.fault_cases import CASES, SEEDED, STATES, Case

pytestmark = pytest.mark.xdist_group("faults")

#: Few trials: what goes over the wire for one is as for another.
OVERRIDES = ("sweep=quick", "compute.delete_on_cleanup=true")


@pytest.fixture(scope="module")
def cut_short(
    certificates: Certificates, tmp_path_factory: pytest.TempPathFactory, digits: Path
) -> Iterator[dict[str, State]]:
    """What is there after a command that failed for good at some request, by state."""
    found = {}
    with pytest.MonkeyPatch.context() as patch:
        draw_nothing(patch)
        for number, (name, kind) in enumerate(STATES.items()):
            folder = tmp_path_factory.mktemp("state")
            emulator = Emulator(certificates, StubEngine(), folder / "emulator")
            taken_for_azure(emulator, digits, patch)
            bench = Bench(emulator, folder / "outputs", digits.parent)
            if number:
                emulator.faults.inject(Fault(kind, Action.FORBIDDEN, count=-1))
                with pytest.raises(MnistExpError):
                    bench.run(Stage.all, *OVERRIDES)
            found[name] = bench.snapshot(folder / "kept")
            emulator.close()
        yield found


def marked(case: Case):
    marks = [] if str(case) in SEEDED else [pytest.mark.faults]
    return pytest.param(case, marks=marks, id=str(case))


@pytest.mark.parametrize("case", [marked(case) for case in CASES])
def test_a_fault(case: Case, cut_short: dict[str, State], bench: Bench) -> None:
    bench.restore(cut_short[case.state])
    bench.emulator.faults.inject(Fault(case.kind, case.action))
    try:
        bench.run(Stage.all, *OVERRIDES)
    except MnistExpError as error:
        assert all(line and "\n" not in line for line in error.lines)
        assert len(error.lines[0]) < 1200
        bench.emulator.faults.clear()
        assert bench.run(Stage.all, *OVERRIDES).status is JobStatus.COMPLETED
    else:
        assert bench.emulator.faults.hits, "the fault never happened"
    assert_nothing_twice(bench.emulator, case)


def assert_nothing_twice(emulator: Emulator, case: Case) -> None:
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


def test_every_kind_of_request_has_faults(emulator: Emulator, bench: Bench) -> None:
    bench.run(Stage.all, *OVERRIDES)
    asked = {one.kind for one in emulator.requests}
    # Who we are and where things are is asked by others than the workspace's own calls.
    assert asked - {"metadata", "token", "discovery", "models.get", "models.version",
                    "environments.get", "environments.versions", "environments.version",
                    "deployment.get", "codes.version", "codes.get"} <= {
        case.kind for case in CASES
    }  # fmt: skip
