import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from mnist_exp.config import ProbeConfig, RequestSettingsConfig
from mnist_exp.errors import ConfigError, JobError, NotFoundError
from mnist_exp.serving.files import FAILURE_FILE, replace_json
from mnist_exp.specs import EndpointSpec
from mnist_exp.workspaces.local.endpoints import ModelFiles
from mnist_exp.workspaces.local.endpoints.server_processes import kill_processes_below
from tests.support.scripted_endpoint import ECHO, NAME, SECOND, WAITS_IN_INIT, ScriptedEndpoint

BROKEN = {
    "import": "import no_such_package",
    "syntax": "def init(:",
    "init raises": "def init():\n    raise OSError('no weights')\ndef run(raw_data): return 1",
    "init exits": "import sys\ndef init():\n    sys.exit('enough')\ndef run(raw_data): return 1",
    "dies": "import os\ndef init():\n    os._exit(9)\ndef run(raw_data): return 1",
    "no init": "def run(raw_data): return 1",
    "no run": "def init(): pass",
}


@pytest.fixture(scope="module")
def failing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ScriptedEndpoint]:
    """An endpoint for deployments that never get ready, each under a name of its own."""
    folder = tmp_path_factory.mktemp("failing")
    scripted = ScriptedEndpoint(folder)
    scripted.create()
    yield scripted
    kill_processes_below(folder)


def test_an_update_replaces_the_previous_process(scripted: ScriptedEndpoint):
    first = scripted.deploy()
    before = scripted.workers()
    second = scripted.deploy(SECOND)
    assert second.scoring_uri == first.scoring_uri
    assert not set(before) & set(scripted.workers())
    assert len(scripted.servers()) == 2
    assert scripted.endpoints.invoke(NAME, b"1", "blue") == "second"
    assert scripted.deployment().revisions() == [2]


def test_no_request_is_lost_during_an_update(scripted: ScriptedEndpoint):
    scripted.deploy()
    done = threading.Event()

    def answers() -> list[object]:
        found = []
        while not done.is_set():
            found.append(scripted.endpoints.invoke(NAME, b'"first"', "blue"))
        return found

    with ThreadPoolExecutor() as pool:
        callers = [pool.submit(answers) for _ in range(2)]
        try:
            for source in (ECHO, SECOND):
                scripted.deploy(source)
        finally:
            done.set()
        assert {answer for caller in callers for answer in caller.result()} <= {"first", "second"}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_first_revision_fails_and_keeps_its_log(failing: ScriptedEndpoint, kind: str):
    name = kind.replace(" ", "-")
    with pytest.raises(JobError, match=rf"endpoint\.deployment {name}: must get ready") as caught:
        failing.deploy(BROKEN[kind], name)
    assert failing.servers() == [failing.front]
    found = {deployment.name: deployment for deployment in failing.endpoints.get(NAME).deployments}
    deployment = found[name]
    assert deployment.provisioning_state == "Failed"
    assert deployment.log in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "deploy again" in deployment.why
    assert list(caught.value.log_tail) == list(failing.endpoints.logs(NAME, name, 20))


def test_the_error_shows_what_init_raised(failing: ScriptedEndpoint):
    with pytest.raises(JobError, match="OSError: no weights; fix the deployment") as caught:
        failing.deploy(BROKEN["init raises"], "raises")
    assert caught.value.log_tail[-1] == "OSError: no weights"
    # As on Azure ML. Most scripts fail because of a path that does not exist.
    assert "(exit code 3)" in str(caught.value)
    log = "\n".join(failing.endpoints.logs(NAME, "raises", 100))
    assert "AZUREML_MODEL_DIR holds:" in log
    assert "\n  model/\n" in log
    found = {deployment.name: deployment for deployment in failing.endpoints.get(NAME).deployments}
    assert found["raises"].why.endswith("OSError: no weights; fix the deployment and deploy again")


def test_the_error_survives_a_script_that_clears_its_environment(failing: ScriptedEndpoint):
    script = "import os\ndef init():\n os.environ.clear()\n raise OSError('no weights')\n"
    with pytest.raises(JobError, match="OSError: no weights; fix the deployment"):
        failing.deploy(script + "def run(raw_data): pass\n", "clears")
    assert "AZUREML_MODEL_DIR holds:" in "\n".join(failing.endpoints.logs(NAME, "clears", 100))


def test_the_endpoint_survives_a_failed_first_deployment(scripted: ScriptedEndpoint):
    with pytest.raises(JobError, match=f"endpoint {NAME} answers 404"):
        scripted.deploy(BROKEN["init raises"])
    endpoint = scripted.endpoints.get(NAME)
    assert (endpoint.provisioning_state, endpoint.traffic) == ("Succeeded", {})
    reply = httpx.post(
        endpoint.scoring_uri,
        content=b"[1]",
        headers={"authorization": f"Bearer {scripted.endpoints.keys(NAME).primary}"},
        trust_env=False,
    )
    assert reply.status_code == 404
    assert scripted.deploy().provisioning_state == "Succeeded"
    scripted.endpoints.create_or_update(EndpointSpec(NAME, traffic={"blue": 100}))
    assert scripted.endpoints.invoke(NAME, b"[1]") == [1]
    assert scripted.endpoints.get(NAME).scoring_uri == endpoint.scoring_uri


@pytest.mark.parametrize("kind", ["init raises", "dies"])
def test_after_a_broken_update_the_previous_revision_serves(scripted: ScriptedEndpoint, kind: str):
    before = scripted.deploy()
    scripted.endpoints.create_or_update(EndpointSpec(NAME, traffic={"blue": 100}))
    workers = scripted.workers()
    with pytest.raises(JobError, match="the previous revision still serves"):
        scripted.deploy(BROKEN[kind])
    assert scripted.endpoints.get(NAME).deployments == [before]
    assert scripted.workers() == workers
    assert len(scripted.servers()) == 2
    assert scripted.endpoints.invoke(NAME, b"[1]", "blue") == [1]


def test_a_failed_update_reports_the_state_of_the_previous_revision(scripted: ScriptedEndpoint):
    scripted.deploy()
    with pytest.raises(JobError, match=r"the previous revision still runs, without traffic$"):
        scripted.deploy(BROKEN["init raises"])
    # The front writes this file when it gives up a revision whose workers end again and again.
    replace_json(scripted.deployment().path / FAILURE_FILE, {"revision": 1, "why": "it ended"})
    with pytest.raises(JobError, match=r"the previous revision has also failed$"):
        scripted.deploy(BROKEN["init raises"])


def test_a_script_whose_init_takes_too_long_is_killed(scripted: ScriptedEndpoint):
    impatient = ProbeConfig(initial_delay=0, period=1, failure_threshold=1)
    with pytest.raises(JobError, match=r"init\(\) must return within 1 s"):
        scripted.deploy(WAITS_IN_INIT, readiness_probe=impatient)
    assert scripted.servers() == [scripted.front]


def test_an_unchanged_deployment_keeps_its_workers(scripted: ScriptedEndpoint):
    scripted.deploy()
    workers = scripted.workers()
    scripted.deploy()
    assert scripted.workers() == workers
    for change in (
        {"source": SECOND},
        {"request_settings": RequestSettingsConfig(1000, 1)},
        {"environment_variables": {"MORE": "1"}},
        {"instance_count": 2},
    ):
        scripted.deploy(**change)
        assert not set(scripted.workers()) & set(workers)
        workers = scripted.workers()


def test_a_deployment_after_a_failed_one_succeeds(scripted: ScriptedEndpoint):
    with pytest.raises(JobError):
        scripted.deploy(BROKEN["dies"])
    assert scripted.deploy().provisioning_state == "Succeeded"
    assert scripted.endpoints.get(NAME).deployments[0].why == ""
    assert scripted.deployment().revisions() == [2]


def test_code_that_changes_during_a_deployment_is_deployed_by_the_next_command(
    scripted: ScriptedEndpoint,
):
    # The script does what a user does who saves a file while the worker starts.
    source = scripted.folder / "code" / "score.py"
    spec = scripted.spec(f"open({str(source)!r}, 'a').write('#')\n{ECHO}")
    model = ModelFiles(scripted.model, "digits", "3")
    scripted.endpoints.deploy(spec, model)
    before = scripted.workers()
    scripted.endpoints.deploy(spec, model)
    assert not set(before) & set(scripted.workers())


def test_after_a_bad_spec_the_previous_revision_serves(scripted: ScriptedEndpoint):
    scripted.deploy()
    for fault in ({"scoring_script": "none.py"}, {"code": scripted.folder / "nowhere"}):
        with pytest.raises(ConfigError):
            scripted.deploy(**fault)
    with pytest.raises(NotFoundError):
        scripted.endpoints.deploy(
            scripted.spec(SECOND), ModelFiles(scripted.folder / "none", "digits", "3")
        )
    assert scripted.endpoints.invoke(NAME, b"[1]", "blue") == [1]


def test_instances_are_processes(scripted: ScriptedEndpoint):
    scripted.deploy(instance_count=3)
    assert len(set(scripted.workers())) == 3
    assert len(scripted.servers()) == 4
