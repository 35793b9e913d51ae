"""The azure workspace over the wire, with jobs that are done at once."""

import json
from pathlib import Path

import pytest

from mnist_exp.config import Stage
from mnist_exp.errors import (
    AccessError,
    ConfigError,
    ConflictError,
    EndpointError,
    JobError,
    MnistExpError,
    NotFoundError,
    QuotaError,
    UnsupportedError,
)
from mnist_exp.status import JobStatus
from mnist_exp.workspaces.base import Detached
from tests.azure_emulator.engines import StubEngine
from tests.azure_emulator.faults import Action, Fault
from tests.azure_emulator.rules import DEDICATED, LOW_PRIORITY, SIZES
from tests.support.configs import QUICK_ROLLOUT
from tests.workspaces.azure.bench import Bench, State
from tests.workspaces.azure.conftest import Make

pytestmark = pytest.mark.xdist_group("azure-workspace")


def test_a_cluster_is_created_once_and_then_found(bench: Bench) -> None:
    assert bench.run(Stage.compute).compute["created"] is True
    again = bench.run(Stage.compute)
    assert again.compute["created"] is False
    assert len(bench.emulator.recorded("compute.put")) == 1
    assert any("found gpu-cluster" in line for line in bench.display.messages)


def test_a_cluster_of_another_size_is_told_and_not_used(bench: Bench) -> None:
    bench.run(Stage.compute)
    with pytest.raises(ConflictError, match=r"compute\.size: gpu-cluster exists with"):
        bench.run(Stage.compute, "compute.size=STANDARD_DS3_V2")


def test_what_one_may_not_see_is_not_taken_for_missing(bench: Bench) -> None:
    bench.emulator.forbidden = {"compute.get"}
    with pytest.raises(AccessError, match=r"compute gpu-cluster: .*request \w+.*role"):
        bench.run(Stage.compute)
    assert bench.emulator.recorded("compute.put") == []


def test_serverless_creates_nothing(bench: Bench) -> None:
    bench.run(Stage.compute, "compute=serverless")
    assert bench.emulator.store.computes == {}


@pytest.mark.parametrize("override", ["compute=local", "env=local"])
def test_this_machine_is_refused(bench: Bench, override: str) -> None:
    from mnist_exp.build import command_job  # noqa: PLC0415

    config = bench.config(Stage.train, override)
    with pytest.raises(UnsupportedError, match=override.partition("=")[0]):
        bench.workspace().check(command_job(config, "check"), bench.display)


def test_names_that_are_missing_are_told_at_once(bench: Bench, tmp_path: Path) -> None:
    config = bench.config(Stage.compute)
    config.workspace.subscription_id = config.workspace.workspace_name = None
    config.workspace.config_file = str(tmp_path / "config.json")
    (tmp_path / "config.json").write_text("{}", encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        bench.workspace(config)
    assert len(caught.value.faults) == 2
    content = {"subscription_id": "s", "workspace_name": "w"}
    (tmp_path / "config.json").write_text(json.dumps(content), encoding="utf-8")
    bench.workspace(config)


def test_train_shows_link_log_and_metrics(ready: Bench) -> None:
    bench = ready
    record = bench.run(Stage.train)
    assert record.status is JobStatus.COMPLETED
    assert record.metrics == {"validation_acc": 0.7}
    assert record.parameters["batch_size"] == 64
    assert record.parameters["architecture"] == "dnn"
    assert any("https://ml.azure.com/runs/" in line for line in bench.display.messages)


def test_wait_false_only_submits_and_the_same_command_goes_on(ready: Bench) -> None:
    bench = ready
    submitted = bench.run(Stage.train, "wait=false")
    assert submitted.status is JobStatus.NOT_STARTED
    assert any(line == f"resumable {submitted.name}" for line in bench.display.messages)
    followed = bench.run(Stage.train, f"run={submitted.name}")
    assert (followed.name, followed.status) == (submitted.name, JobStatus.COMPLETED)
    other = bench.run(Stage.train, "wait=false", "model=small")
    assert bench.run(Stage.train, "model=small").name == other.name
    assert len(bench.emulator.recorded("job.put")) == 2


def test_a_second_training_after_a_completed_one_is_new(ready: Bench) -> None:
    bench = ready
    assert bench.run(Stage.train).name != bench.run(Stage.train).name


def test_ctrl_c_detaches_and_the_job_goes_on(
    start: Make, tmp_path: Path, digits: Path, states: dict[str, State]
) -> None:
    class Interrupted(StubEngine):
        """Leaves a job running."""

        def start(self, job, action):
            job.status = "Running"

    emulator = start(Interrupted())
    bench = Bench(emulator, tmp_path / "outputs", digits.parent)
    bench.restore(states["ready"])
    job = bench.run(Stage.train, "wait=false")

    class Impatient:
        """Presses Ctrl-C when the job runs."""

        def job_changed(self, _: object) -> None:
            raise KeyboardInterrupt

        def message(self, _: str) -> None:
            pass

        def idle(self) -> None:
            pass

    with pytest.raises(Detached, match=job.name):
        bench.workspace().watch(job.name, Impatient())
    assert emulator.store.jobs[job.name].status == "Running"
    assert emulator.recorded("job.cancel") == []


def test_a_failed_job_tells_why(ready: Bench) -> None:
    bench = ready
    bench.emulator.faults.inject(Fault("job.put", Action.JOB_FAILED))
    with pytest.raises(JobError, match=r"exit code 1|its log is in the studio"):
        bench.run(Stage.train)


def test_a_sweep_shows_its_trials_and_the_best(ready: Bench) -> None:
    bench = ready
    record = bench.run(Stage.sweep)
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


def test_the_same_job_is_registered_once(registered: Bench) -> None:
    bench = registered
    again = bench.run(Stage.register)
    assert again.name == "run-model-example:1"
    assert list(bench.emulator.store.models) == [("run-model-example", "1")]
    train = bench.run(Stage.train)
    assert bench.run(Stage.register, f"run={train.name}").name == "run-model-example:2"


def test_deploy_invoke_cleanup(registered: Bench) -> None:
    bench = registered
    deployed = bench.run(Stage.deploy)
    assert deployed.endpoint["traffic"] == {"tff-blue": 100}
    assert deployed.endpoint["deployments"][0]["model"] == "run-model-example:1"
    assert bench.run(Stage.invoke).predictions["predicted"] == [0] * 30
    workspace = bench.workspace()
    assert any(deployed.name in line for line in workspace.costs())
    bench.run(Stage.cleanup, "compute.delete_on_cleanup=true")
    assert (bench.emulator.store.endpoints, bench.emulator.store.computes) == ({}, {})
    assert list(workspace.costs()) == []
    with pytest.raises(NotFoundError):
        workspace.get_endpoint(deployed.name)


def test_the_deployments_name_does_not_leak_into_the_next_call(registered: Bench) -> None:
    bench = registered
    bench.run(Stage.deploy)
    name = bench.run(Stage.invoke).name
    workspace = bench.workspace()
    body = b'{"data": [1]}'
    workspace.invoke(name, body, "tff-blue")
    workspace.invoke(name, body)
    first, second = bench.emulator.recorded("score")[-2:]
    assert first.headers["azureml-model-deployment"] == "tff-blue"
    assert "azureml-model-deployment" not in second.headers


def test_a_failing_script_is_424_with_its_meaning(
    start: Make, tmp_path: Path, digits: Path, states: dict[str, State]
) -> None:
    from tests.azure_emulator.wire import RefusalError  # noqa: PLC0415

    class Broken(StubEngine):
        """Has a scoring script that raises."""

        def score(self, endpoint, deployment, body):
            raise RefusalError(500, "ModelError", "boom")

    bench = Bench(start(Broken()), tmp_path / "outputs", digits.parent)
    bench.restore(states["registered"])
    bench.run(Stage.deploy)
    with pytest.raises(EndpointError, match=r"answered 424 \(500, model_error\).*scoring script"):
        bench.run(Stage.invoke)


def test_a_deployment_that_fails_shows_its_log_and_what_to_do(registered: Bench) -> None:
    bench = registered
    bench.emulator.faults.inject(Fault("deployment.put", Action.OPERATION_FAILED))
    with pytest.raises(JobError, match=r"no module named missing.*stage=cleanup") as caught:
        bench.run(Stage.deploy)
    assert caught.value.log_tail
    bench.run(Stage.deploy)
    assert len(bench.emulator.store.endpoints) == 1


def test_quota_counts_a_fifth_more(registered: Bench) -> None:
    bench = registered
    family, _ = SIZES["standard_ds3_v2"]
    bench.emulator.quota.limits[family] = 6
    with pytest.raises(QuotaError, match="Additional needed: 8"):
        bench.run(Stage.deploy)


def test_doctor_tells_all(bench: Bench) -> None:
    family, _ = SIZES["standard_ds3_v2"]
    bench.emulator.quota.limits[family] = 6
    with pytest.raises(JobError, match="1 of"):
        bench.run(Stage.doctor)
    text = "\n".join(bench.display.messages)
    assert "ok    workspace: workspace in eastus" in text
    assert "warn  compute: gpu-cluster is not there" in text
    assert "fail  endpoint.deployment: 2 x Standard_DS3_v2 take 8 cores" in text
    assert "ok    azureml-mlflow" in text
    bench.emulator.quota.limits[family] = 8
    bench.run(Stage.compute)
    bench.run(Stage.doctor)


def test_doctor_counts_low_priority_apart(bench: Bench) -> None:
    bench.emulator.quota.limits[LOW_PRIORITY] = 8
    with pytest.raises(JobError, match="1 of"):
        bench.run(Stage.doctor, "compute=low_priority")
    (line,) = [line for line in bench.display.messages if "compute.max_instances" in line]
    assert line.startswith("fail")
    assert "4 x STANDARD_NC4AS_T4_V3 take 16 cores of low priority in the region, 8 are" in line
    # What the family has left is of no matter to it.
    family, _ = SIZES["standard_nc4as_t4_v3"]
    bench.emulator.quota.limits |= {LOW_PRIORITY: 16, family: 0}
    bench.run(Stage.doctor, "compute=low_priority")


def test_doctor_counts_the_region_beside_the_family(bench: Bench) -> None:
    bench.emulator.quota.limits[DEDICATED] = 12
    with pytest.raises(JobError, match="1 of"):
        bench.run(Stage.doctor)
    failing = [line for line in bench.display.messages if line.startswith("fail")]
    assert [line.split(":")[0] for line in failing] == ["fail  compute.max_instances"]
    assert "take 16 cores of the region, 12 are left" in failing[0]


def test_doctor_without_a_role_says_so_and_stops_there(bench: Bench) -> None:
    bench.emulator.forbidden = {"workspace.get"}
    with pytest.raises(JobError):
        bench.run(Stage.doctor)
    assert any("fail  workspace: workspace: " in line for line in bench.display.messages)
    assert not any("quota" in line for line in bench.display.messages)


def test_the_sdk_prints_nothing(bench: Bench, capfd: pytest.CaptureFixture[str]) -> None:
    bench.run(Stage.all, "sweep=quick")
    printed = capfd.readouterr()
    assert (printed.out, printed.err) == ("", "")


def test_nothing_secret_is_kept(registered: Bench) -> None:
    bench = registered
    for stage in (Stage.deploy, Stage.invoke):
        bench.run(stage)
    keys = [key for both in bench.emulator.store.keys.values() for key in both]
    secrets = [*keys, "sig=secret", "eyJ"]
    for path in bench.outputs.rglob("*"):
        if path.is_file() and path.suffix != ".png":
            content = path.read_text(encoding="utf-8", errors="replace")
            assert not any(secret in content for secret in secrets), path


def test_a_sweep_is_submitted_and_gone_on_with_under_its_name(ready: Bench) -> None:
    submitted = ready.run(Stage.sweep, "sweep=quick", "wait=false")
    assert submitted.status is JobStatus.NOT_STARTED
    followed = ready.run(Stage.sweep, "sweep=quick", f"run={submitted.name}")
    assert (followed.name, followed.status) == (submitted.name, JobStatus.COMPLETED)
    assert len(ready.emulator.recorded("job.put")) == 1
    with pytest.raises(MnistExpError, match="which has"):
        ready.run(Stage.sweep, "sweep=quick", f"run={submitted.name}")


def test_dotted_keys_come_back_dotted(ready: Bench) -> None:
    swept = "+sweep.search_space.model.epochs={type: choice, values: [2, 3]}"
    record = ready.run(Stage.sweep, "sweep=quick", swept)
    sent = ready.emulator.recorded("job.put")[-1].body["properties"]
    assert "model__epochs" in sent["searchSpace"]
    assert "${{search_space.model__epochs}}" in sent["trial"]["command"]
    assert record.best["parameters"]["model.epochs"] == 2


def test_a_second_deployment_takes_over_in_steps(registered: Bench) -> None:
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


def test_a_rollout_never_replaces_what_has_traffic(registered: Bench) -> None:
    registered.run(Stage.deploy)
    registered.run(Stage.deploy, *QUICK_ROLLOUT)
    before = len(registered.emulator.recorded("deployment.put", "endpoint.put"))
    with pytest.raises(MnistExpError, match="got tff-green with 100 %; name tff-blue, which has"):
        registered.run(Stage.deploy, *QUICK_ROLLOUT)
    with pytest.raises(MnistExpError, match=r"endpoint\.traffic\.tff-gren: .* mean 'tff-green'"):
        registered.run(Stage.deploy, "endpoint.traffic={tff-gren: 100}")
    assert len(registered.emulator.recorded("deployment.put", "endpoint.put")) == before
    back = registered.run(Stage.deploy, *QUICK_ROLLOUT, "endpoint.deployment.name=tff-blue")
    assert back.endpoint["traffic"] == {"tff-blue": 100}


def test_what_else_an_endpoint_is_outlasts_traffic_and_rollouts(registered: Bench) -> None:
    mine = ["endpoint.auth_mode=aml_token", "endpoint.description=mine"]
    name = registered.run(Stage.deploy, *mine).name
    registered.emulator.store.endpoints[name]["tags"]["team"] = "blue"
    for words in (QUICK_ROLLOUT, ["endpoint.traffic={tff-blue: 100, tff-green: 0}"]):
        registered.run(Stage.deploy, *words)
        found = registered.emulator.store.endpoints[name]
        about = found["properties"]
        assert (about["authMode"], about["description"]) == ("AMLToken", "mine")
        assert found["tags"] == {"team": "blue"}


def test_a_second_deployment_gets_traffic_only_when_asked(registered: Bench) -> None:
    registered.run(Stage.deploy)
    second = ["endpoint.reuse=true", "endpoint.deployment.name=tff-green"]
    assert registered.run(Stage.deploy, *second).endpoint["traffic"] == {"tff-blue": 100}
    assert registered.display.messages[-1].startswith("tff-green has no traffic, ")


def test_traffic_by_hand_deploys_nothing(registered: Bench) -> None:
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


def test_new_keys_leave_the_traffic_and_status_and_logs_tell(registered: Bench) -> None:
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


def test_an_endpoint_with_tokens_answers(registered: Bench) -> None:
    deployed = registered.run(Stage.deploy, "endpoint.auth_mode=aml_token")
    assert deployed.endpoint["auth_mode"] == "aml_token"
    assert registered.run(Stage.invoke).predictions["predicted"] == [0] * 30
    assert registered.emulator.recorded("endpoint.token")


def test_an_mlflow_model_needs_no_script(registered: Bench) -> None:
    train = registered.run(Stage.train)
    model = registered.run(Stage.register, f"run={train.name}", "registration=mlflow_model",
                           "registration.path=outputs/model")  # fmt: skip
    assert model.model["type"] == "mlflow_model"
    registered.run(Stage.deploy, "endpoint=mlflow")
    sent = registered.emulator.recorded("deployment.put")[-1].body["properties"]
    assert not sent.get("codeConfiguration")
    assert not sent.get("environmentId")
