"""The environment variables of a job, with the same names as on Azure ML.

A job inherits only those variables of the user's shell that most programs need. On Azure ML a job
inherits no variables. The names are from the documentation of the SDK and of the common runtime:
https://learn.microsoft.com/azure/machine-learning/how-to-train-cloud
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mnist_exp.specs import CommandJob, PathInput
from mnist_exp.sweeps.space.keys import azure_name
from mnist_exp.templates import drawn_text, literal_text
from mnist_exp.workspaces.local.processes.job_orphans import MARKER

#: Name of the MLflow tag that contains the id of a nested run's parent run.
PARENT = "mlflow.parentRunId"
#: Name of the MLflow tag that contains the id of a job's run. Each run that the job's script
#: creates has this tag, even if the run is not nested in the job's run.
JOB_RUN = "mnist_exp.jobRun"

#: The variables that a job inherits. Programs need these variables to find e.g. libraries,
#: accelerators, certificates and temporary files. pip and uv need the addresses of package indexes,
#: which may be in configuration files.
_INHERITED = (
    "CUDA_VISIBLE_DEVICES",
    "HOME",
    "LANG",
    "LC_ALL",
    "LD_LIBRARY_PATH",
    "PIP_CERT",
    "PIP_CLIENT_CERT",
    "PIP_CONFIG_FILE",
    "PIP_CONSTRAINT",
    "PIP_EXTRA_INDEX_URL",
    "PIP_FIND_LINKS",
    "PIP_INDEX_URL",
    "PIP_NO_INDEX",
    "PIP_PROXY",
    "PIP_TRUSTED_HOST",
    "REQUESTS_CA_BUNDLE",
    "SSL_CERT_FILE",
    "TMPDIR",
    "TZ",
    "UV_CONFIG_FILE",
    "UV_DEFAULT_INDEX",
    "UV_EXTRA_INDEX_URL",
    "UV_FIND_LINKS",
    "UV_INDEX",
    "UV_INDEX_URL",
    "UV_INSECURE_HOST",
    "UV_NO_INDEX",
    "XDG_CACHE_HOME",
    "XDG_CONFIG_HOME",
)
#: The variables with the proxies of the user's network, in lower case and in upper case.
_PROXIES = tuple(
    spelling(name)
    for name in ("http_proxy", "https_proxy", "all_proxy")
    for spelling in (str.lower, str.upper)
)
#: Hosts that are reached without a proxy. A proxy cannot reach the servers of this machine, for
#: example the MLflow server of a job.
_NOT_PROXIED = "127.0.0.1,localhost"


@dataclass(frozen=True)
class TrackedRun:
    """The MLflow run that a job logs to.

    Attributes:
        artifacts: The folder in which the MLflow store saves the artifacts of all runs.
    """

    tracking_uri: str
    run_id: str
    experiment_id: str
    artifacts: Path

    @property
    def page(self) -> str:
        """The address of the experiment's runs in `mlflow ui`, which has this port by default.

        Without `workflowType`, MLflow's UI opens a page for language models, with no runs.
        """
        return (
            f"http://127.0.0.1:5000/#/experiments/{self.experiment_id}/runs"
            "?workflowType=machine_learning"
        )


def inherited_variables() -> dict[str, str]:
    """Return the variables of the user's shell that jobs and workers inherit."""
    inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    proxies = {name: os.environ[name] for name in _PROXIES if name in os.environ}
    if proxies:
        own = os.environ.get("no_proxy") or os.environ.get("NO_PROXY")
        excepted = f"{own},{_NOT_PROXIED}" if own else _NOT_PROXIED
        proxies |= {"no_proxy": excepted, "NO_PROXY": excepted}
    return inherited | proxies


def job_environment(
    job: CommandJob,
    run: TrackedRun,
    folder: Path,
    software: Mapping[str, str],
    root: str | None = None,
) -> dict[str, str]:
    """Return all environment variables of a job.

    Args:
        job: The job.
        run: The job's MLflow run. `mlflow.start_run()` in the job's script resumes this run.
        folder: The job's working directory.
        software: The variables that activate the job's Python environment.
        root: The name of the sweep if the job is a trial; None for other jobs.
    """
    environment = inherited_variables() | {
        **software,
        # Without a buffer, users can follow the log. With UTF-8, scripts can print all characters.
        "PYTHONUNBUFFERED": "1",
        "PYTHONIOENCODING": "utf-8",
        "AZUREML_RUN_ID": job.name,
        "AZUREML_ROOT_RUN_ID": root or job.name,
        "AZUREML_EXPERIMENT_ID": run.experiment_id,
        "AZUREML_ARM_PROJECT_NAME": job.experiment_name,
        # Scripts may print these variables or use them as tags. The value `local` means
        # that there is no Azure resource.
        "AZUREML_ARM_SUBSCRIPTION": "local",
        "AZUREML_ARM_RESOURCEGROUP": "local",
        "AZUREML_ARM_WORKSPACE_NAME": "local",
        "AZUREML_WORKSPACE_ID": "local",
        "AZ_BATCH_MASTER_NODE": "127.0.0.1:6000",
        MARKER: str(folder),
        "AZUREML_CR_NODE_RANK": "0",
        "AZUREML_NODE_COUNT": "1",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        # Without this variable, MLflow would print the run's address on the tracking server. This
        # server ends with the job.
        "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
        "MLFLOW_TRACKING_URI": run.tracking_uri,
        "MLFLOW_RUN_ID": run.run_id,
        "MLFLOW_EXPERIMENT_ID": run.experiment_id,
        "MLFLOW_EXPERIMENT_NAME": job.experiment_name,
        # The script may create an experiment. Without this variable, MLflow would save the
        # artifacts of this experiment in the working directory.
        "_MLFLOW_SERVER_ARTIFACT_ROOT": run.artifacts.as_uri(),
        "MLFLOW_RUN_CONTEXT": json.dumps({JOB_RUN: run.run_id}),
    }
    environment |= {
        f"AZUREML_PARAMETER_{name}": literal_text(value)
        for name, value in job.inputs.items()
        if not isinstance(value, PathInput)
    }
    return environment | dict(job.environment_variables)


def path_variables(
    job: CommandJob, inputs: Mapping[str, str], outputs: Mapping[str, str]
) -> dict[str, str]:
    """Return the environment variables with the paths of a job's inputs and outputs.

    If `job.environment_variables` contains a variable of the same name, its value is used.

    Args:
        job: The job.
        inputs: Input name -> text on the command line, which is a path for a path input.
        outputs: Output name -> path.
    """
    folders = {
        name: inputs[name] for name, value in job.inputs.items() if isinstance(value, PathInput)
    }
    found = {f"AZURE_ML_INPUT_{name}": path for name, path in folders.items()}
    found |= {f"AZURE_ML_OUTPUT_{name}": path for name, path in outputs.items()}
    every = {**folders, **outputs}.items()
    found |= {f"AZUREML_DATAREFERENCE_{name}": path for name, path in every}
    return {**found, **job.environment_variables}


def sweep_variables(parameters: Mapping[str, object]) -> dict[str, str]:
    """Return the environment variables with the drawn values of a trial, as on Azure ML."""
    return {
        f"AZUREML_SWEEP_{azure_name(name)}": drawn_text(value) for name, value in parameters.items()
    }
