import threading
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from mnist_exp.errors import ConfigError, JobError, NotFoundError
from mnist_exp.specs import EndpointSpec, ProbeSettings, RequestSettings
from mnist_exp.workspaces.local.endpoints import ModelFiles
from tests.workspaces.local.endpoints.bench import ECHO, Bench

NAME = "digits-endpoint"
SECOND = "def init():\n    pass\n\ndef run(raw_data):\n    return 'second'\n"
#: Gets ready, and ends again and again.
ENDS_SOON = """
import os, threading

def init():
    threading.Timer(0.3, os._exit, [1]).start()

def run(raw_data):
    return 1
"""
BROKEN = {
    "import": "import no_such_package",
    "syntax": "def init(:",
    "init raises": "def init():\n    raise OSError('no weights')\ndef run(raw_data): return 1",
    "init exits": "import sys\ndef init():\n    sys.exit('enough')\ndef run(raw_data): return 1",
    "dies": "import os\ndef init():\n    os._exit(9)\ndef run(raw_data): return 1",
    "no init": "def run(raw_data): return 1",
    "no run": "def init(): pass",
}


def test_an_update_takes_over_and_ends_the_process_before(bench: Bench):
    first = bench.deploy()
    before = bench.workers()
    second = bench.deploy(SECOND)
    assert second.scoring_uri == first.scoring_uri
    assert not set(before) & set(bench.workers())
    assert len(bench.servers()) == 2
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
    assert bench.servers() == [bench.front]
    (deployment,) = bench.endpoints.get(NAME).deployments
    assert deployment.provisioning_state == "Failed"
    assert deployment.log in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "deploy it again" in deployment.why
    assert list(caught.value.log_tail) == list(bench.endpoints.logs(NAME, "blue", 20))


def test_the_error_says_what_init_raised(bench: Bench):
    with pytest.raises(JobError, match="OSError: no weights; mend it") as caught:
        bench.deploy(BROKEN["init raises"])
    assert caught.value.log_tail[-1] == "OSError: no weights"
    # What Azure ML's server does: most scripts fail for a path that is not there.
    assert "(exit code 3)" in str(caught.value)
    log = "\n".join(bench.endpoints.logs(NAME, "blue", 100))
    assert "AZUREML_MODEL_DIR holds:" in log
    assert "\n  model/\n" in log
    (deployment,) = bench.endpoints.get(NAME).deployments
    assert deployment.why.endswith(
        "its last words: OSError: no weights; mend it and deploy it again"
    )


def test_a_script_that_clears_its_environment_has_its_reason_told(bench: Bench):
    script = "import os\ndef init():\n os.environ.clear()\n raise OSError('no weights')\n"
    with pytest.raises(JobError, match="OSError: no weights; mend it"):
        bench.deploy(script + "def run(raw_data): pass\n")
    assert "AZUREML_MODEL_DIR holds:" in "\n".join(bench.endpoints.logs(NAME, "blue", 100))


def test_after_a_failed_first_deployment_the_endpoint_stays_and_a_good_one_takes_its_place(
    bench: Bench,
):
    with pytest.raises(JobError, match=f"until then endpoint {NAME} answers 404"):
        bench.deploy(BROKEN["init raises"])
    endpoint = bench.endpoints.get(NAME)
    assert (endpoint.provisioning_state, endpoint.traffic) == ("Succeeded", {})
    reply = httpx.post(
        endpoint.scoring_uri,
        content=b"[1]",
        headers={"authorization": f"Bearer {bench.endpoints.keys(NAME).primary}"},
        trust_env=False,
    )
    assert reply.status_code == 404
    assert bench.deploy().provisioning_state == "Succeeded"
    bench.endpoints.create_or_update(EndpointSpec(NAME, traffic={"blue": 100}))
    assert bench.endpoints.invoke(NAME, b"[1]") == [1]
    assert bench.endpoints.get(NAME).scoring_uri == endpoint.scoring_uri


@pytest.mark.parametrize("kind", ["init raises", "dies"])
def test_a_broken_update_leaves_the_one_before_answering(bench: Bench, kind: str):
    before = bench.deploy()
    bench.endpoints.create_or_update(EndpointSpec(NAME, traffic={"blue": 100}))
    workers = bench.workers()
    with pytest.raises(JobError, match="the deployment before it still serves"):
        bench.deploy(BROKEN[kind])
    assert bench.endpoints.get(NAME).deployments == [before]
    assert bench.workers() == workers
    assert len(bench.servers()) == 2
    assert bench.endpoints.invoke(NAME, b"[1]", "blue") == [1]


def test_a_broken_update_of_what_serves_nobody_does_not_say_that_it_serves(bench: Bench):
    bench.deploy()
    with pytest.raises(JobError, match=r"before it is still there, without traffic$"):
        bench.deploy(BROKEN["init raises"])
    bench.endpoints.create_or_update(EndpointSpec(NAME, traffic={"blue": 100}))
    bench.deploy(ENDS_SOON)
    bench.eventually(lambda: bench.endpoints.get(NAME).deployments[0].why != "")
    with pytest.raises(JobError, match=r"the deployment before it has failed too$"):
        bench.deploy(BROKEN["init raises"])


def test_a_script_that_is_not_through_in_time_is_ended(bench: Bench):
    impatient = ProbeSettings(initial_delay=0, period=1, failure_threshold=1)
    with pytest.raises(JobError, match=r"init\(\) must return within 1 s"):
        bench.deploy(bench.waits_in_init, readiness_probe=impatient)
    assert bench.servers() == [bench.front]


def test_the_same_again_leaves_what_is_deployed_as_it_is(bench: Bench):
    bench.deploy()
    workers = bench.workers()
    bench.deploy()
    assert bench.workers() == workers
    for change in (
        {"source": SECOND},
        {"request_settings": RequestSettings(1000, 1)},
        {"environment_variables": {"MORE": "1"}},
        {"instance_count": 2},
    ):
        bench.deploy(**change)
        assert not set(bench.workers()) & set(workers)
        workers = bench.workers()


def test_after_a_failure_the_next_deployment_is_like_the_first(bench: Bench):
    with pytest.raises(JobError):
        bench.deploy(BROKEN["dies"])
    assert bench.deploy().provisioning_state == "Succeeded"
    assert bench.endpoints.get(NAME).deployments[0].why == ""
    assert bench.deployment().revisions() == [2]


def test_a_bad_spec_leaves_the_one_before_answering(bench: Bench):
    bench.deploy()
    for fault in ({"scoring_script": "none.py"}, {"code": bench.folder / "nowhere"}):
        with pytest.raises(ConfigError):
            bench.deploy(**fault)
    with pytest.raises(NotFoundError):
        bench.endpoints.deploy(bench.spec(SECOND), ModelFiles(bench.folder / "none", "digits", "3"))
    assert bench.endpoints.invoke(NAME, b"[1]", "blue") == [1]


def test_instances_are_processes(bench: Bench):
    bench.deploy(instance_count=3)
    assert len(set(bench.workers())) == 3
    assert len(bench.servers()) == 4
