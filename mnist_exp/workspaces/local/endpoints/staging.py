"""Write the files of a revision (a version of a deployment) to its folder.

The folders for the model have the same names as in Azure ML's inference container.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from mnist_exp.config import ModelType
from mnist_exp.errors import ConfigError, NotFoundError
from mnist_exp.names import asset_name_fault, describe_path
from mnist_exp.records import write_json
from mnist_exp.serving.settings import (
    APP_ROOT,
    CODE_FOLDER,
    MODEL_DIR,
    SETTINGS_FILE,
    WORKER_MODULE,
    Settings,
)
from mnist_exp.snapshot import copy_snapshot, snapshot_hash
from mnist_exp.specs import DeploymentSpec
from mnist_exp.workspaces.local.environments.interpreter import Interpreter
from mnist_exp.workspaces.local.environments.throwaway import create_throwaway
from mnist_exp.workspaces.local.jobs.environment import inherited_variables

_MODELS_FOLDER = "azureml-models"
#: The throw-away Python environment of the workers, which a scoring script may change.
ENVIRONMENT_FOLDER = "environment"


@dataclass(frozen=True)
class ModelFiles:
    """The files of a registered model.

    Attributes:
        path: The artifact root: the file or folder that was registered.
        type: Azure ML's type of the model: custom_model or mlflow_model. A model of the type
            mlflow_model needs no scoring script.
        logged_name: The name under which a script logged the model with MLflow; empty for other
            models.
    """

    path: Path
    name: str
    version: str
    type: str = "custom_model"
    logged_name: str = ""

    @property
    def reference(self) -> str:
        """The model's name and version, as `name:version`."""
        return f"{self.name}:{self.version}"

    def folder(self, revision: Path) -> Path:
        """Return the folder that contains the artifact root: the value of AZUREML_MODEL_DIR."""
        return revision / _MODELS_FOLDER / self.name / self.version


def stage_revision(
    revision: Path,
    spec: DeploymentSpec,
    model: ModelFiles,
    interpreter: Interpreter,
    leave_out: Path | None = None,
) -> None:
    """Copy the code and the model into a revision's folder, and write the workers' settings.

    Later changes of the original files do not affect the copies.

    Args:
        revision: The revision's folder.
        spec: The deployment.
        model: The model's files.
        interpreter: The Python that runs the workers.
        leave_out: The outputs folder. Its files are not copied with the code.

    Raises:
        ConfigError: The code does not contain the scoring script.
        NotFoundError: The model's files do not exist.
    """
    (revision / CODE_FOLDER).mkdir(parents=True, exist_ok=True)
    if spec.scoring_script is None:
        _check_mlflow(model)
    else:
        _copy_code(spec, spec.scoring_script, revision / CODE_FOLDER, leave_out)
    _copy_model(model, model.folder(revision))
    software = create_throwaway(interpreter, revision / ENVIRONMENT_FOLDER)
    python = revision / ENVIRONMENT_FOLDER / "bin" / "python"
    settings = Settings(
        asdict(spec),
        worker_variables(spec, model, revision, software),
        command=[str(python), *interpreter.module(WORKER_MODULE)[1:]],
    )
    # Mode 0600, because the user's variables may be secrets.
    write_json(revision / SETTINGS_FILE, asdict(settings), 0o600)


def worker_variables(
    spec: DeploymentSpec, model: ModelFiles, revision: Path, software: Mapping[str, str]
) -> dict[str, str]:
    """Return all environment variables of a worker. A worker inherits no other variables.

    The variables have the same names as on Azure ML:
    https://learn.microsoft.com/azure/machine-learning/how-to-deploy-online-endpoints
    """
    return {
        **inherited_variables(),
        **software,
        # Write log lines immediately, and allow non-ASCII text in log lines.
        "PYTHONUNBUFFERED": "1",
        "PYTHONIOENCODING": "utf-8",
        # Use one thread for linear algebra. With one thread per core, small requests would wait for
        # each other. For requests with 30 digits, one thread triples the number of answers per
        # second. Users can set another value.
        "OMP_NUM_THREADS": "1",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        **spec.environment_variables,
        APP_ROOT: str(revision / CODE_FOLDER),
        "AZUREML_ENTRY_SCRIPT": spec.scoring_script or "",
        MODEL_DIR: str(model.folder(revision)),
    }


def fingerprint(
    spec: DeploymentSpec,
    model: ModelFiles,
    interpreter: Interpreter,
    leave_out: Path | None = None,
) -> str:
    """Return a hash of the code, the model, the interpreter and the deployment's other fields.

    If the running revision has the same hash, no new revision is necessary.
    """
    folder = Path(spec.code or "")
    # `stage_revision` reports a code folder that does not exist.
    has_code = spec.code and spec.scoring_script and folder.is_dir()
    code = snapshot_hash(folder, leave_out) if has_code else None
    settings = asdict(spec) | {
        "code": code,
        "model": model.reference,
        "python": str(interpreter.executable),
    }
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()


def _check_mlflow(model: ModelFiles) -> None:
    if model.type != ModelType.mlflow_model:
        raise ConfigError(
            [
                "endpoint.deployment.scoring_script: must name a script, because model "
                f"{model.reference} has type {model.type}; set endpoint.deployment.scoring_script, "
                "or register the model with registration.type=mlflow_model"
            ]
        )


def _copy_code(
    spec: DeploymentSpec, scoring_script: str, target: Path, leave_out: Path | None
) -> None:
    if spec.code is None or not Path(spec.code).is_dir():
        there = describe_path(spec.code)
        raise ConfigError(
            [f"endpoint.deployment.code: must be a folder, got {spec.code}, which {there}"]
        )
    copy_snapshot(Path(spec.code), target, leave_out)
    script = (target / scoring_script).resolve()
    if not script.is_file() or not script.is_relative_to(target.resolve()):
        raise ConfigError(
            [
                "endpoint.deployment.scoring_script: must be a file in the code folder that "
                f".amlignore does not exclude, got {scoring_script!r} in {spec.code}"
            ]
        )


def _copy_model(model: ModelFiles, target: Path) -> None:
    # Both become names of folders.
    for key, value in (("name", model.name), ("version", model.version)):
        if fault := asset_name_fault(value):
            raise ConfigError(
                [f"registration.{key}: {fault}; register the model with another {key}"]
            )
    # Do not resolve links, so that the copy has the name under which the artifact was registered.
    source = Path(os.path.abspath(model.path))  # noqa: PTH100
    target.mkdir(parents=True)
    if source.is_dir():
        # MLflow saves every logged model in a folder with the name `artifacts`. On Azure ML, the
        # folder has the name of the model.
        shutil.copytree(source, target / (model.logged_name or source.name))
        _make_removable(target)
    elif source.is_file():
        shutil.copy2(source, target)
    else:
        raise NotFoundError(
            f"{source}: the files of model {model.reference} do not exist; register the model again"
        )


def _make_removable(folder: Path) -> None:
    """Make the folders of a copy writable, because files in read-only folders cannot be deleted."""
    for parent, _, _ in os.walk(folder):
        Path(parent).chmod(0o755)
