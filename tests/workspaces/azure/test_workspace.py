"""The azure workspace against the emulator, with jobs that finish at once."""

import json
import os
import re
import shutil
from contextlib import closing
from pathlib import Path

import pytest
from mlflow.environment_variables import (
    MLFLOW_HTTP_REQUEST_MAX_RETRIES,
    MLFLOW_HTTP_REQUEST_TIMEOUT,
)

from mnist_exp.config import Stage
from mnist_exp.errors import (
    ConfigError,
    ConnectionLostError,
    EndpointError,
    JobError,
    MnistExpError,
    NotFoundError,
    RefusedError,
)
from mnist_exp.status import JobStatus
from mnist_exp.workspaces.azure.run_metrics import limited_requests
from mnist_exp.workspaces.base import Detached
from tests.azure_emulator.engines import StubEngine
from tests.azure_emulator.faults import Action, Fault
from tests.azure_emulator.rules import DEDICATED, LOW_PRIORITY, SIZES
from tests.support.configs import QUICK_ROLLOUT
from tests.support.emulated_azure import AzureStages, SavedState
from tests.workspaces.azure.conftest import StartEmulator


def test_a_cluster_is_created_once_and_then_found(stages: AzureStages) -> None:
    assert stages.run(Stage.compute).compute["created"] is True
    again = stages.run(Stage.compute)
    assert again.compute["created"] is False
    assert len(stages.emulator.recorded("compute.put")) == 1
    assert any("found gpu-cluster" in line for line in stages.display.messages)


def test_a_cluster_of_another_size_is_reported_and_not_used(stages: AzureStages) -> None:
    stages.run(Stage.compute)
    with pytest.raises(RefusedError, match=r"compute\.size: gpu-cluster exists with"):
        stages.run(Stage.compute, "compute.size=STANDARD_DS3_V2")


@pytest.mark.parametrize("size", ["null", "''"])
def test_without_a_size_a_cluster_of_any_size_is_used(stages: AzureStages, size: str) -> None:
    stages.run(Stage.compute)
    assert stages.run(Stage.compute, f"compute.size={size}").compute["created"] is False


def test_a_compute_without_read_access_is_not_taken_for_missing(stages: AzureStages) -> None:
    stages.emulator.forbidden = {"compute.get"}
    with pytest.raises(RefusedError, match=r"compute gpu-cluster: .*request \w+.*role"):
        stages.run(Stage.compute)
    assert stages.emulator.recorded("compute.put") == []


def test_serverless_creates_nothing(stages: AzureStages) -> None:
    stages.run(Stage.compute, "compute=serverless")
    assert stages.emulator.store.computes == {}


@pytest.mark.parametrize("override", ["compute=local", "env=local"])
def test_this_machine_is_refused(stages: AzureStages, override: str) -> None:
    from mnist_exp.build import command_job  # noqa: PLC0415

    config = stages.config(Stage.train, override)
    with pytest.raises(RefusedError, match=override.partition("=")[0]):
        stages.workspace().check(command_job(config, "check"), stages.display)


def test_all_missing_names_are_reported_at_once(stages: AzureStages, tmp_path: Path) -> None:
    config = stages.config(Stage.compute)
    config.workspace.subscription_id = config.workspace.workspace_name = None
    config.workspace.config_file = str(tmp_path / "config.json")
    (tmp_path / "config.json").write_text('{"resource_group": "g"}', encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        stages.workspace(config)
    assert len(caught.value.faults) == 2
    content = {"subscription_id": "s", "workspace_name": "w"}
    (tmp_path / "config.json").write_text(json.dumps(content), encoding="utf-8")
    stages.workspace(config)


def test_train_shows_link_and_metrics(ready: AzureStages) -> None:
    stages = ready
    record = stages.run(Stage.train)
    assert record.status is JobStatus.COMPLETED
    assert record.metrics == {"validation_acc": 0.7}
    assert record.parameters["batch_size"] == 64
    assert record.parameters["architecture"] == "dnn"
    assert any("https://ml.azure.com/runs/" in line for line in stages.display.messages)


def test_wait_false_only_submits_and_the_same_command_resumes(ready: AzureStages) -> None:
    stages = ready
    submitted = stages.run(Stage.train, "wait=false")
    assert submitted.status is JobStatus.NOT_STARTED
    assert any(line == f"resumable {submitted.name}" for line in stages.display.messages)
    followed = stages.run(Stage.train, f"run={submitted.name}")
    assert (followed.name, followed.status) == (submitted.name, JobStatus.COMPLETED)
    other = stages.run(Stage.train, "wait=false", "model=small")
    assert stages.run(Stage.train, "model=small").name == other.name
    assert len(stages.emulator.recorded("job.put")) == 2


def test_a_second_training_after_a_completed_one_is_new(ready: AzureStages) -> None:
    stages = ready
    assert stages.run(Stage.train).name != stages.run(Stage.train).name


def test_ctrl_c_detaches_and_the_job_continues(
    start: StartEmulator, tmp_path: Path, digits: Path, states: dict[str, SavedState]
) -> None:
    class Interrupted(StubEngine):
        """An engine whose jobs never finish."""

        def start(self, job, action):
            job.status = "Running"

    emulator = start(Interrupted())
    stages = AzureStages(emulator, tmp_path / "outputs", digits)
    stages.restore(states["ready"])
    job = stages.run(Stage.train, "wait=false")

    class Impatient:
        """An observer that presses Ctrl-C when the job runs."""

        def job_changed(self, _: object) -> None:
            raise KeyboardInterrupt

        def message(self, _: str) -> None:
            pass

        def idle(self) -> None:
            pass

    with closing(stages), pytest.raises(Detached, match=job.name):
        stages.workspace().watch(job.name, Impatient())
    assert emulator.store.jobs[job.name].status == "Running"
    assert emulator.recorded("job.cancel") == []


def test_a_completed_job_whose_metrics_cannot_be_read(
    ready: AzureStages, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The user's own limit. MLflow would pause before it repeats a request.
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    for kind, action in (("mlflow.run", Action.BROKEN), ("run.data", Action.FORBIDDEN)):
        ready.emulator.faults.inject(Fault(kind, action, count=-1))
    unread = ready.run(Stage.train)
    assert (unread.status, unread.metrics) == (JobStatus.COMPLETED, {})
    metrics, evaluation = unread.unread
    assert metrics.startswith("metrics: cannot be read from the MLflow server: ")
    assert evaluation.startswith("evaluation: cannot be read: ")
    assert list(unread.warnings) == [metrics, evaluation]
    assert ready.display.messages[-1] == f"resumable {unread.name}"
    assert ready.run(Stage.register, f"run={unread.name}").status is JobStatus.COMPLETED
    ready.emulator.faults.clear()
    read = ready.run(Stage.train, f"run={unread.name}")
    assert (read.name, read.metrics, read.unread) == (unread.name, {"validation_acc": 0.7}, [])
    assert len(ready.emulator.recorded("job.put")) == 1
    with pytest.raises(MnistExpError, match="which is Completed"):
        ready.run(Stage.train, f"run={unread.name}")


def test_the_limits_of_a_request_delete_no_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another thread may read all variables at any time: Python's search for proxies does so."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", "3")
    for limited in ("MLFLOW_HTTP_REQUEST_TIMEOUT", "MLFLOW_HTTP_REQUEST_MAX_RETRIES"):
        monkeypatch.delenv(limited, raising=False)
    with limited_requests():
        variables = iter(os.environ.items())
        next(variables)
    left = dict(variables)
    defaults = (MLFLOW_HTTP_REQUEST_TIMEOUT, MLFLOW_HTTP_REQUEST_MAX_RETRIES)
    assert [left[one.name] for one in defaults] == [str(one.default) for one in defaults]
    with limited_requests():
        assert [one.get() for one in defaults] == [10, 1]
        assert os.environ["MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR"] == "3"


def test_metrics_are_read_again_after_a_pause(
    ready: AzureStages, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    name = ready.run(Stage.train).name
    ready.emulator.faults.inject(Fault("mlflow.run", Action.BROKEN))
    workspace = ready.workspace()
    for unread, pause in ((1, 120), (1, 120), (0, 0)):
        monkeypatch.setattr("mnist_exp.workspaces.azure.run_metrics._PAUSE_S", pause)
        result = workspace.job_result(name)
        assert result
        assert (len(result.unread), len(result.metrics)) == (unread, 1 - unread)
    assert not any("check the network" in line for line in result.unread)


@pytest.mark.parametrize("kind", ["blob.list", "blob.get"])
def test_a_log_that_cannot_be_downloaded_is_downloaded_by_the_next_command(
    ready: AzureStages, kind: str
) -> None:
    name = ready.run(Stage.train).name
    shutil.rmtree(ready.outputs / "azure")
    ready.emulator.faults.inject(Fault(kind, Action.FORBIDDEN, count=-1))
    with pytest.raises(MnistExpError) as caught:
        list(ready.workspace().job_log(name))
    assert [line for line in caught.value.lines if "\n" in line] == []
    ready.emulator.faults.clear()
    assert list(ready.workspace().job_log(name)) == ["epoch 1/1"]


LOGS = {"std_log_process_1.txt": b"one", "std_log_process_10.txt": b"ten", "other.txt": b"x"}


def test_the_logs_of_finished_jobs(ready: AzureStages) -> None:
    name = ready.run(Stage.train).name
    blobs = ready.emulator.store.blobs
    (container, log) = next(key for key in blobs if f"{name}/user_logs" in key[1])
    assert list(ready.workspace().job_log(name)) == ["epoch 1/1"]
    shutil.rmtree(ready.outputs / "azure")
    del blobs[container, log]
    (line,) = ready.workspace().job_log(name)
    assert line.startswith("the job saved no log; see the job in Azure ML studio: https://ml.azure")
    shutil.rmtree(ready.outputs / "azure")
    for file, content in LOGS.items():
        blobs[container, log.replace("std_log.txt", file)] = content
    lines = ["std_log_process_1.txt:", "one", "std_log_process_10.txt:", "ten"]
    assert list(ready.workspace().job_log(name)) == lines


def test_a_completed_sweep_whose_metrics_cannot_be_read(
    ready: AzureStages, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    ready.emulator.faults.inject(Fault("mlflow.history", Action.BROKEN, count=-1))
    unread = ready.run(Stage.sweep, "sweep=quick")
    assert unread.status is JobStatus.COMPLETED
    # The service chose the best trial. Only its values are unknown.
    assert unread.best["value"] is None
    assert len(ready.emulator.faults.hits) < len(unread.trials)
    ready.emulator.faults.clear()
    read = ready.run(Stage.sweep, "sweep=quick", f"run={unread.name}")
    assert (read.best["name"], read.unread) == (unread.best["name"], [])
    assert read.best["value"] is not None


def test_a_job_whose_status_cannot_be_read_has_not_failed(ready: AzureStages) -> None:
    name = ready.run(Stage.train, "wait=false").name
    # The command looks for the job twice, and then watches the job.
    for skipped in (0, 2):
        ready.emulator.faults.inject(Fault("job.get", Action.FORBIDDEN, skip=skipped, count=-1))
        with pytest.raises(ConnectionLostError, match=f"job {name}.*role"):
            ready.run(Stage.train, f"run={name}")
        record = next(ready.context(Stage.train).index.newest_first(Stage.train))[0]
        assert (record.name, record.status) == (name, JobStatus.RUNNING)
        ready.emulator.faults.clear()
    assert ready.run(Stage.train).name == name


def test_a_failed_job_reports_its_cause(ready: AzureStages) -> None:
    stages = ready
    stages.emulator.faults.inject(Fault("job.put", Action.JOB_FAILED))
    with pytest.raises(JobError, match=r"exit code 1|see the log in Azure ML studio"):
        stages.run(Stage.train)


def test_a_sweep_shows_its_trials_and_the_best(ready: AzureStages) -> None:
    stages = ready
    record = stages.run(Stage.sweep)
    assert [trial["best"] for trial in record.trials] == pytest.approx(
        [0.7 + 0.01 * index for index in range(8)]
    )
    assert record.best["name"] == f"{record.name}_7"
    assert set(record.best["parameters"]) == {
        "batch_size",
        "first_layer_neurons",
        "second_layer_neurons",
        "learning_rate",
    }


def test_the_same_job_is_registered_once(registered: AzureStages) -> None:
    stages = registered
    again = stages.run(Stage.register)
    assert again.name == "run-model-example:1"
    assert list(stages.emulator.store.models) == [("run-model-example", "1")]
    train = stages.run(Stage.train)
    assert stages.run(Stage.register, f"run={train.name}").name == "run-model-example:2"


def test_the_example_of_an_mlflow_model_becomes_the_request(ready: AzureStages) -> None:
    stages = ready
    name = stages.run(Stage.train).name
    stages.run(Stage.register, f"run={name}", "registration=mlflow_model")
    deployed = stages.run(Stage.deploy, "endpoint=mlflow")
    request = json.loads(Path(deployed.paths["request"]).read_text(encoding="utf-8"))
    assert request == {"input_data": [[1]]}


def test_deploy_invoke_cleanup(registered: AzureStages) -> None:
    stages = registered
    # The example belongs to the model, whatever the config says about other models.
    deployed = stages.run(Stage.deploy, "registration.path=null")
    assert Path(deployed.paths["request"]).read_bytes() == b'{"data": []}'
    assert deployed.endpoint["traffic"] == {"tff-blue": 100}
    assert deployed.endpoint["deployments"][0]["model"] == "run-model-example:1"
    assert stages.run(Stage.invoke).predictions["predicted"] == [0] * 30
    workspace = stages.workspace()
    assert any(deployed.name in line for line in workspace.costs())
    # Somebody else deletes the cluster after we have found it.
    (cluster,) = stages.emulator.store.computes
    stages.emulator.faults.inject(Fault("compute.delete", Action.NOT_FOUND))
    assert not workspace.delete_compute(cluster)
    stages.run(Stage.cleanup, "compute.delete_on_cleanup=true")
    assert (stages.emulator.store.endpoints, stages.emulator.store.computes) == ({}, {})
    assert list(workspace.costs()) == []
    with pytest.raises(NotFoundError):
        workspace.get_endpoint(deployed.name)


def test_the_deployments_name_does_not_leak_into_the_next_call(registered: AzureStages) -> None:
    stages = registered
    stages.run(Stage.deploy)
    name = stages.run(Stage.invoke).name
    workspace = stages.workspace()
    body = b'{"data": [1]}'
    workspace.invoke(name, body, "tff-blue")
    workspace.invoke(name, body)
    first, second = stages.emulator.recorded("score")[-2:]
    assert first.headers["azureml-model-deployment"] == "tff-blue"
    assert "azureml-model-deployment" not in second.headers


def test_a_failing_script_is_424_with_its_meaning(
    start: StartEmulator, tmp_path: Path, digits: Path, states: dict[str, SavedState]
) -> None:
    from tests.azure_emulator.wire import RefusalError  # noqa: PLC0415

    class Broken(StubEngine):
        """Has a scoring script that raises."""

        def score(self, endpoint, deployment, body):
            raise RefusalError(500, "ModelError", "boom")

    stages = AzureStages(start(Broken()), tmp_path / "outputs", digits)
    stages.restore(states["registered"])
    stages.run(Stage.deploy)
    with pytest.raises(EndpointError, match=r"answered 424 \(500, model_error\).*scoring script"):
        stages.run(Stage.invoke)


def test_a_deployment_that_fails_shows_its_log_and_what_to_do(registered: AzureStages) -> None:
    stages = registered
    stages.emulator.faults.inject(Fault("deployment.put", Action.OPERATION_FAILED))
    with pytest.raises(JobError, match=r"no module named missing.*stage=cleanup") as caught:
        stages.run(Stage.deploy)
    assert caught.value.log_tail
    stages.run(Stage.deploy)
    assert len(stages.emulator.store.endpoints) == 1


def test_quota_counts_a_fifth_more(registered: AzureStages) -> None:
    stages = registered
    family, _ = SIZES["standard_ds3_v2"]
    stages.emulator.quota.limits[family] = 6
    with pytest.raises(RefusedError, match="Additional needed: 8"):
        stages.run(Stage.deploy)


def test_doctor_reports_every_finding(stages: AzureStages) -> None:
    family, _ = SIZES["standard_ds3_v2"]
    stages.emulator.quota.limits[family] = 6
    with pytest.raises(JobError, match="1 of"):
        stages.run(Stage.doctor)
    text = "\n".join(stages.display.messages)
    assert "ok    workspace: workspace in eastus" in text
    assert "warn  compute: gpu-cluster does not exist" in text
    assert "fail  endpoint.deployment: 2 x Standard_DS3_v2 need 8 cores" in text
    assert "ok    azureml-mlflow" in text
    stages.emulator.quota.limits[family] = 8
    stages.run(Stage.compute)
    stages.run(Stage.doctor)


def test_doctor_counts_low_priority_apart(stages: AzureStages) -> None:
    stages.emulator.quota.limits[LOW_PRIORITY] = 8
    with pytest.raises(JobError, match="1 of"):
        stages.run(Stage.doctor, "compute=low_priority")
    (line,) = [line for line in stages.display.messages if "compute.max_instances" in line]
    assert line.startswith("fail")
    assert (
        "4 x STANDARD_NC4AS_T4_V3 need 16 cores; the region's quota for low-priority nodes has 8"
        in line
    )
    # Low-priority nodes do not count towards the family.
    family, _ = SIZES["standard_nc4as_t4_v3"]
    stages.emulator.quota.limits |= {LOW_PRIORITY: 16, family: 0}
    stages.run(Stage.doctor, "compute=low_priority")


def test_doctor_counts_the_region_beside_the_family(stages: AzureStages) -> None:
    stages.emulator.quota.limits[DEDICATED] = 12
    with pytest.raises(JobError, match="1 of"):
        stages.run(Stage.doctor)
    failing = [line for line in stages.display.messages if line.startswith("fail")]
    assert [line.split(":")[0] for line in failing] == ["fail  compute.max_instances"]
    assert "need 16 cores; the region's quota has 12 cores available" in failing[0]


def test_doctor_without_a_role_reports_it_and_checks_no_more(stages: AzureStages) -> None:
    stages.emulator.forbidden = {"workspace.get"}
    with pytest.raises(JobError):
        stages.run(Stage.doctor)
    assert any("fail  workspace: workspace: " in line for line in stages.display.messages)
    assert not any("quota" in line for line in stages.display.messages)


def test_the_sdk_prints_nothing(stages: AzureStages, capfd: pytest.CaptureFixture[str]) -> None:
    stages.run(Stage.all, "sweep=quick")
    printed = capfd.readouterr()
    assert (printed.out, printed.err) == ("", "")
    # The training, the sweep and the deployment share one upload of their code folder.
    assert len(stages.emulator.recorded("codes.put")) == 1
    used = json.dumps([one.body for one in stages.emulator.recorded("job.put", "deployment.put")])
    (code,) = set(re.findall(r"/codes/[-0-9a-f]+/versions/1", used))
    assert used.count(code) == 3


def test_nothing_secret_is_kept(registered: AzureStages) -> None:
    stages = registered
    for stage in (Stage.deploy, Stage.invoke):
        stages.run(stage)
    keys = [key for both in stages.emulator.store.keys.values() for key in both]
    secrets = [*keys, "sig=secret", "eyJ"]
    for path in stages.outputs.rglob("*"):
        if path.is_file() and path.suffix != ".png":
            content = path.read_text(encoding="utf-8", errors="replace")
            assert not any(secret in content for secret in secrets), path


def test_a_submitted_sweep_resumes_by_its_name(ready: AzureStages) -> None:
    submitted = ready.run(Stage.sweep, "sweep=quick", "wait=false")
    assert submitted.status is JobStatus.NOT_STARTED
    followed = ready.run(Stage.sweep, "sweep=quick", f"run={submitted.name}")
    assert (followed.name, followed.status) == (submitted.name, JobStatus.COMPLETED)
    assert len(ready.emulator.recorded("job.put")) == 1
    with pytest.raises(MnistExpError, match="which has"):
        ready.run(Stage.sweep, "sweep=quick", f"run={submitted.name}")


def test_dotted_keys_come_back_dotted(ready: AzureStages) -> None:
    swept = "+sweep.search_space.model.epochs={type: choice, values: [2, 3]}"
    record = ready.run(Stage.sweep, "sweep=quick", swept)
    sent = ready.emulator.recorded("job.put")[-1].body["properties"]
    assert "model__epochs" in sent["searchSpace"]
    assert "${{search_space.model__epochs}}" in sent["trial"]["command"]
    assert record.best["parameters"]["model.epochs"] == 2


def test_a_second_deployment_takes_over_in_steps(registered: AzureStages) -> None:
    first = registered.run(Stage.deploy)
    second = registered.run(Stage.deploy, *QUICK_ROLLOUT)
    assert second.name == first.name
    assert second.endpoint["traffic"] == {"tff-green": 100}
    sent = [one.body["properties"] for one in registered.emulator.recorded("endpoint.put")]
    steps = [(one.get("traffic"), one.get("mirrorTraffic")) for one in sent[2:]]
    assert steps[0] == ({"tff-blue": 100}, {"tff-green": 10})
    assert [live for live, _ in steps[1:]] == [
        {"tff-blue": 90, "tff-green": 10},
        {"tff-blue": 50, "tff-green": 50},
        {"tff-green": 100},
    ]
    assert not any(mirror for _, mirror in steps[1:])


def test_a_rollout_never_replaces_a_deployment_with_traffic(registered: AzureStages) -> None:
    registered.run(Stage.deploy)
    registered.run(Stage.deploy, *QUICK_ROLLOUT)
    before = len(registered.emulator.recorded("deployment.put", "endpoint.put"))
    with pytest.raises(MnistExpError, match="got tff-green with 100 %; use tff-blue"):
        registered.run(Stage.deploy, *QUICK_ROLLOUT)
    with pytest.raises(MnistExpError, match=r"endpoint\.traffic\.tff-gren: .*'tff-green'"):
        registered.run(Stage.deploy, "endpoint.traffic={tff-gren: 100}")
    assert len(registered.emulator.recorded("deployment.put", "endpoint.put")) == before
    back = registered.run(Stage.deploy, *QUICK_ROLLOUT, "endpoint.deployment.name=tff-blue")
    assert back.endpoint["traffic"] == {"tff-blue": 100}


def test_traffic_and_rollouts_keep_an_endpoints_other_fields(registered: AzureStages) -> None:
    mine = ["endpoint.auth_mode=aml_token", "endpoint.description=mine"]
    name = registered.run(Stage.deploy, *mine).name
    registered.emulator.store.endpoints[name]["tags"]["team"] = "blue"
    for words in (QUICK_ROLLOUT, ["endpoint.traffic={tff-blue: 100, tff-green: 0}"]):
        registered.run(Stage.deploy, *words)
        found = registered.emulator.store.endpoints[name]
        about = found["properties"]
        assert (about["authMode"], about["description"]) == ("AMLToken", "mine")
        assert found["tags"] == {"team": "blue"}


def test_a_second_deployment_gets_traffic_only_when_asked(registered: AzureStages) -> None:
    registered.run(Stage.deploy)
    second = ["endpoint.reuse=true", "endpoint.deployment.name=tff-green"]
    assert registered.run(Stage.deploy, *second).endpoint["traffic"] == {"tff-blue": 100}
    assert registered.display.messages[-1].startswith("tff-green has no traffic")


def test_traffic_by_hand_deploys_nothing(registered: AzureStages) -> None:
    registered.run(Stage.deploy)
    registered.run(Stage.deploy, *QUICK_ROLLOUT)
    before = len(registered.emulator.recorded("deployment.put"))
    split = registered.run(Stage.deploy, "endpoint.traffic={tff-blue: 50, tff-green: 50}")
    assert split.endpoint["traffic"] == {"tff-blue": 50, "tff-green": 50}
    mirrored = registered.run(
        Stage.deploy,
        "endpoint.reuse=true",
        "endpoint.traffic={tff-blue: 100, tff-green: 0}",
        "endpoint.mirror_traffic={tff-green: 10}",
    )
    assert mirrored.endpoint["traffic"] == {"tff-blue": 100}
    assert mirrored.endpoint["mirror_traffic"] == {"tff-green": 10}
    assert len(registered.emulator.recorded("deployment.put")) == before


def test_new_keys_keep_the_traffic_and_status_and_logs_report(registered: AzureStages) -> None:
    name = registered.run(Stage.deploy).name
    before = list(registered.emulator.store.keys[name])
    changed = registered.run(Stage.deploy, "endpoint.regenerate_key=primary")
    assert changed.endpoint["traffic"] == {"tff-blue": 100}
    after = registered.emulator.store.keys[name]
    assert (after[0] == before[0], after[1] == before[1]) == (False, True)
    registered.run(Stage.status)
    registered.run(Stage.logs)
    text = "\n".join(registered.display.messages)
    assert f"{name}  Succeeded" in text
    assert "no module named missing" in text


def test_an_endpoint_with_tokens_answers(registered: AzureStages) -> None:
    deployed = registered.run(Stage.deploy, "endpoint.auth_mode=aml_token")
    assert deployed.endpoint["auth_mode"] == "aml_token"
    assert registered.run(Stage.invoke).predictions["predicted"] == [0] * 30
    assert registered.emulator.recorded("endpoint.token")


def test_an_mlflow_model_needs_no_script(registered: AzureStages) -> None:
    train = registered.run(Stage.train)
    model = registered.run(Stage.register, f"run={train.name}", "registration=mlflow_model",
                           "registration.path=outputs/model")  # fmt: skip
    assert model.model["type"] == "mlflow_model"
    registered.run(Stage.deploy, "endpoint=mlflow")
    sent = registered.emulator.recorded("deployment.put")[-1].body["properties"]
    assert not sent.get("codeConfiguration")
    assert not sent.get("environmentId")
