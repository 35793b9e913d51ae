import re
import threading
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import pytest

from mnist_exp.errors import ConfigError, ConflictError, JobError, NotFoundError
from mnist_exp.specs import EndpointSpec
from mnist_exp.workspaces.local.endpoints import Endpoints
from mnist_exp.workspaces.local.endpoints.processes import end_processes
from tests.workspaces.local.endpoints.bench import ECHO, Bench

NAME = "digits-endpoint"
SECOND = "def init():\n    pass\n\ndef run(raw_data):\n    return 'second'\n"
BROKEN = {
    "import": "import no_such_package",
    "syntax": "def init(:",
    "init raises": "def init():\n    raise OSError('no weights')\ndef run(raw_data): return 1",
    "init exits": "import sys\ndef init():\n    sys.exit('enough')\ndef run(raw_data): return 1",
    "dies": "import os\ndef init():\n    os._exit(9)\ndef run(raw_data): return 1",
    "no init": "def run(raw_data): return 1",
    "no run": "def init(): pass",
}


def test_an_update_takes_over_the_address_and_ends_the_process_before(bench: Bench):
    first = bench.deploy()
    before = bench.record().process
    second = bench.deploy(SECOND)
    assert second.scoring_uri == first.scoring_uri
    assert not before.is_alive
    assert bench.servers() == [bench.record().process]
    assert bench.endpoints.invoke(NAME, b"1", "blue") == "second"
    assert bench.deployment().revisions() == [2]


def test_no_request_is_lost_while_it_updates(bench: Bench):
    bench.deploy()
    done = threading.Event()

    def answers() -> list[object]:
        found = []
        while not done.is_set():
            found.append(bench.endpoints.invoke(NAME, b'"first"', "blue"))
        return found

    with ThreadPoolExecutor() as pool:
        callers = [pool.submit(answers) for _ in range(2)]
        try:
            for source in (ECHO, SECOND):
                bench.deploy(source)
        finally:
            done.set()
        assert {answer for caller in callers for answer in caller.result()} <= {"first", "second"}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_first_revision_is_failed_with_its_log(bench: Bench, kind: str):
    with pytest.raises(JobError, match=r"endpoint\.deployment blue: must get ready") as caught:
        bench.deploy(BROKEN[kind])
    assert bench.servers() == []
    (deployment,) = bench.endpoints.get(NAME).deployments
    assert deployment.provisioning_state == "Failed"
    assert deployment.log in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "deploy it again" in bench.endpoints.why(NAME, "blue")
    assert list(caught.value.log_tail) == list(bench.endpoints.logs(NAME, "blue", 20))


def test_the_error_says_what_init_raised(bench: Bench):
    with pytest.raises(JobError, match="OSError: no weights; mend it") as caught:
        bench.deploy(BROKEN["init raises"])
    assert caught.value.log_tail[-1] == "OSError: no weights"


@pytest.mark.parametrize("kind", ["init raises", "dies"])
def test_a_broken_update_leaves_the_one_before_answering(bench: Bench, kind: str):
    before = bench.deploy()
    process = bench.record().process
    with pytest.raises(JobError, match="the deployment before it still serves"):
        bench.deploy(BROKEN[kind])
    assert bench.endpoints.get(NAME).deployments == [before]
    assert bench.servers() == [process]
    assert bench.endpoints.invoke(NAME, b"[1]", "blue") == [1]


def test_a_script_that_is_not_through_in_time_is_ended(bench: Bench):
    impatient = Endpoints(bench.root, ready_timeout_s=1.0)
    with pytest.raises(JobError, match=r"init\(\) must be through within 1 s"):
        impatient.deploy(bench.spec(bench.waits_in_init), bench.model, "digits", "3")
    assert bench.servers() == []


def test_after_a_failure_the_next_deployment_is_like_the_first(bench: Bench):
    with pytest.raises(JobError):
        bench.deploy(BROKEN["dies"])
    assert bench.deploy().provisioning_state == "Succeeded"
    assert bench.endpoints.why(NAME, "blue") == ""
    assert bench.deployment().revisions() == [2]


def test_the_port_asked_for(bench: Bench):
    port = urlsplit(bench.deploy().scoring_uri).port
    # An update with the same port, asked for or not, shares it until the old process ends.
    assert urlsplit(bench.deploy(port=port).scoring_uri).port == port
    with pytest.raises(ConflictError, match=rf"^endpoint\.port: must be a free port.*got {port}"):
        bench.deploy(name="green", port=port)
    assert bench.endpoints.invoke(NAME, b"[1]", "blue") == [1]


def test_a_taken_port_fails_the_deployment_and_no_process_is_left(bench: Bench):
    port = urlsplit(bench.deploy().scoring_uri).port
    with pytest.raises(ConflictError):
        bench.deploy(name="green", port=port)
    assert bench.endpoints.get(NAME).deployments[1].provisioning_state == "Failed"
    assert bench.servers() == [bench.record().process]


def test_a_bad_spec_leaves_the_one_before_answering(bench: Bench):
    bench.deploy()
    for fault in ({"scoring_script": "none.py"}, {"code": bench.folder / "nowhere"}):
        with pytest.raises(ConfigError):
            bench.deploy(**fault)
    with pytest.raises(NotFoundError):
        bench.endpoints.deploy(bench.spec(), bench.folder / "none", "digits", "3")
    assert bench.endpoints.invoke(NAME, b"[1]", "blue") == [1]


def test_more_instances_are_one_process_and_the_log_says_so(bench: Bench):
    bench.deploy(instance_count=3)
    assert len(bench.servers()) == 1
    log = "\n".join(bench.endpoints.logs(NAME, "blue"))
    assert re.search("instance_count is 3; on this machine one process serves", log)


def test_a_dead_deployment_comes_back_at_its_port(bench: Bench):
    first = bench.deploy()
    bench.endpoints.create_or_update(EndpointSpec(NAME, traffic={"blue": 100}))
    kill(bench)
    assert bench.deploy().scoring_uri == first.scoring_uri
    assert bench.endpoints.invoke(NAME, b"[1]") == [1]


def test_if_its_port_is_taken_by_then_it_gets_another(bench: Bench):
    first = bench.deploy()
    kill(bench)
    green = bench.deploy(name="green", port=urlsplit(first.scoring_uri).port)
    assert green.scoring_uri == first.scoring_uri
    assert bench.deploy().scoring_uri != first.scoring_uri


def kill(bench: Bench) -> None:
    end_processes([bench.record().process], grace_s=0)
    assert bench.servers() == []
