from pathlib import Path

import pytest

from mnist_exp.specs import PathInput
from mnist_exp.workspaces.local.jobs.environment import (
    TrackedRun,
    job_environment,
    path_variables,
    sweep_variables,
)
from tests.support.small_jobs import command_job

RUN = TrackedRun("sqlite:////store.db", "run-id", "7", Path("/mlartifacts"))
WORK = Path("/jobs/job/wd")
SOFTWARE = {
    "PATH": "/jobs/job/environment_0/bin:/usr/bin",
    "VIRTUAL_ENV": "/jobs/job/environment_0",
}

SHELL = {
    "AZURE_CLIENT_SECRET": "secret",
    "AZURE_SUBSCRIPTION_ID": "id",
    "AZUREML_RUN_ID": "another job",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "GITHUB_TOKEN": "secret",
    "HYDRA_FULL_ERROR": "1",
    "MLFLOW_TRACKING_TOKEN": "secret",
    "MLFLOW_TRACKING_URI": "https://elsewhere",
    "MNIST_EXP_FULL_ERROR": "1",
    "MY_OWN": "thing",
    "PYTHONPATH": "/somewhere",
    "PYTHONSTARTUP": "/somewhere.py",
    "VIRTUAL_ENV": "/venv",
}

#: Semantics of a job, section 7: the names that Azure ML documents and that mean something here.
DOCUMENTED = {
    "AZUREML_RUN_ID": "job",
    "AZUREML_ROOT_RUN_ID": "job",
    "AZUREML_EXPERIMENT_ID": "7",
    "AZUREML_ARM_PROJECT_NAME": "experiment",
    "AZUREML_ARM_SUBSCRIPTION": "local",
    "AZUREML_ARM_RESOURCEGROUP": "local",
    "AZUREML_ARM_WORKSPACE_NAME": "local",
    "AZUREML_WORKSPACE_ID": "local",
    "AZ_BATCH_MASTER_NODE": "127.0.0.1:6000",
    "AZUREML_CR_EXECUTION_WORKING_DIR_PATH": str(WORK),
    "AZUREML_CR_NODE_RANK": "0",
    "AZUREML_NODE_COUNT": "1",
    "MLFLOW_TRACKING_URI": "sqlite:////store.db",
    "MLFLOW_RUN_ID": "run-id",
    "MLFLOW_EXPERIMENT_ID": "7",
    "MLFLOW_EXPERIMENT_NAME": "experiment",
    "_MLFLOW_SERVER_ARTIFACT_ROOT": "file:///mlartifacts",
    "MLFLOW_RUN_CONTEXT": '{"mnist_exp.jobRun": "run-id"}',
}


@pytest.fixture(autouse=True)
def shell(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SHELL.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    monkeypatch.setenv("HOME", "/home/me")


def test_the_documented_names_are_there() -> None:
    environment = job_environment(command_job("true"), RUN, WORK, SOFTWARE)
    assert {name: environment.get(name) for name in DOCUMENTED} == DOCUMENTED


def test_nothing_of_the_shell_leaks() -> None:
    environment = job_environment(command_job("true"), RUN, WORK, SOFTWARE)
    leaked = {name for name, value in SHELL.items() if environment.get(name) == value}
    assert not leaked
    assert not [name for name in environment if name.startswith(("AZURE_", "HYDRA", "MNIST_EXP"))]


def test_what_a_program_needs_to_run_is_there() -> None:
    environment = job_environment(command_job("true"), RUN, WORK, SOFTWARE)
    assert environment["CUDA_VISIBLE_DEVICES"] == "1"
    assert environment["HOME"] == "/home/me"
    assert environment["PATH"] == SOFTWARE["PATH"]


@pytest.mark.parametrize(("given", "expected"), [("", ""), ("intranet", "intranet,")])
def test_a_proxy_is_inherited_but_not_for_this_machine(
    monkeypatch: pytest.MonkeyPatch, given: str, expected: str
) -> None:
    monkeypatch.setenv("https_proxy", "http://proxy:3128")
    monkeypatch.setenv("NO_PROXY", given)
    monkeypatch.delenv("no_proxy", raising=False)
    environment = job_environment(command_job("true"), RUN, WORK, SOFTWARE)
    assert environment["https_proxy"] == "http://proxy:3128"
    assert environment["no_proxy"] == environment["NO_PROXY"] == f"{expected}127.0.0.1,localhost"


def test_without_a_proxy_there_is_no_exception(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("NO_PROXY", "intranet")
    assert "NO_PROXY" not in job_environment(command_job("true"), RUN, WORK, SOFTWARE)


def test_the_jobs_own_variables_win() -> None:
    job = command_job("true", environment_variables={"MINE": "a b", "HOME": "/elsewhere"})
    environment = job_environment(job, RUN, WORK, SOFTWARE)
    assert environment["MINE"] == "a b"
    assert environment["HOME"] == "/elsewhere"


def test_literal_inputs_are_parameters_spelt_as_on_the_command_line() -> None:
    inputs = {"lr": 0.5, "flag": True, "data": PathInput(Path("/data"))}
    environment = job_environment(command_job("true", inputs=inputs), RUN, WORK, SOFTWARE)
    parameters = {
        name: value for name, value in environment.items() if name.startswith("AZUREML_PARAMETER_")
    }
    assert parameters == {"AZUREML_PARAMETER_lr": "0.5", "AZUREML_PARAMETER_flag": "true"}


def test_paths_have_the_names_that_public_scripts_read() -> None:
    job = command_job(
        "true",
        inputs={"lr": 0.5, "data": PathInput(Path("/data"))},
        environment_variables={"AZURE_ML_OUTPUT_own": "mine"},
    )
    found = path_variables(job, {"lr": "0.5", "data": "/in/data"}, {"model": "/out", "own": "/o"})
    assert found == {
        "AZURE_ML_INPUT_data": "/in/data",
        "AZURE_ML_OUTPUT_model": "/out",
        "AZURE_ML_OUTPUT_own": "mine",
        "AZUREML_DATAREFERENCE_data": "/in/data",
        "AZUREML_DATAREFERENCE_model": "/out",
        "AZUREML_DATAREFERENCE_own": "/o",
    }


def test_a_trial_knows_its_sweep_and_its_values() -> None:
    environment = job_environment(command_job("true", "sweep_3"), RUN, WORK, SOFTWARE, root="sweep")
    assert environment["AZUREML_RUN_ID"] == "sweep_3"
    assert environment["AZUREML_ROOT_RUN_ID"] == "sweep"
    assert sweep_variables({"lr": 0.5, "batch_size": 32}) == {
        "AZUREML_SWEEP_lr": "0.5",
        "AZUREML_SWEEP_batch_size": "32",
    }
