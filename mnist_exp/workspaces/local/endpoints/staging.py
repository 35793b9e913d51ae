"""The files of a revision, in the layout of Azure ML's inference container."""

import hashlib
import json
import os
import re
import shutil
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from mnist_exp.config import ProbeConfig
from mnist_exp.errors import ConfigError, NotFoundError
from mnist_exp.records import write_json
from mnist_exp.serving.settings import CODE_FOLDER, SETTINGS_FILE, Probe, Settings
from mnist_exp.snapshot import copy_snapshot, snapshot_hash
from mnist_exp.specs import DeploymentSpec
from mnist_exp.workspaces.local.jobs.environment import INHERITED

_MODELS_FOLDER = "azureml-models"
#: Pattern of a model's name and version, which become names of folders.
_ASSET_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True)
class ModelFiles:
    """The files of a registered model.

    Attributes:
        path: The artifact root: the file or folder that was registered.
        type: Azure ML's type: custom_model, or mlflow_model, which needs no scoring script.
    """

    path: Path
    name: str
    version: str
    type: str = "custom_model"

    @property
    def reference(self) -> str:
        """The reference `name:version`."""
        return f"{self.name}:{self.version}"

    def folder(self, revision: Path) -> Path:
        """Return the value of AZUREML_MODEL_DIR: the folder that contains the artifact root."""
        return revision / _MODELS_FOLDER / self.name / self.version


def stage_revision(
    revision: Path, spec: DeploymentSpec, model: ModelFiles, leave_out: Path | None = None
) -> None:
    """Copy code and model into a revision's folder, and write the workers' settings.

    The copies protect the deployment from later changes of the originals.

    Args:
        revision: The revision's folder.
        spec: The deployment.
        model: The model's files.
        leave_out: A folder whose files are not part of the code: the outputs folder.

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
    settings = Settings(
        endpoint=spec.endpoint,
        deployment=spec.name,
        entry_script=spec.scoring_script,
        request_timeout_ms=spec.request_settings.request_timeout_ms,
        max_concurrent_requests_per_instance=(
            spec.request_settings.max_concurrent_requests_per_instance
        ),
        instance_count=spec.instance_count,
        variables=worker_variables(spec, model, revision),
        liveness_probe=_probe(spec.liveness_probe),
        readiness_probe=_probe(spec.readiness_probe),
    )
    # Mode 0600, because the user's variables may be secrets.
    write_json(revision / SETTINGS_FILE, asdict(settings), 0o600)


def worker_variables(spec: DeploymentSpec, model: ModelFiles, revision: Path) -> dict[str, str]:
    """Return all environment variables of a worker. A worker inherits no others.

    The names are Azure ML's:
    https://learn.microsoft.com/azure/machine-learning/how-to-deploy-online-endpoints
    """
    inherited = {name: os.environ[name] for name in INHERITED if name in os.environ}
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    return {
        **inherited,
        "PATH": programs,
        # Log lines appear at once, and may contain non-ASCII text.
        "PYTHONUNBUFFERED": "1",
        "PYTHONIOENCODING": "utf-8",
        # With one linear-algebra thread per core, small requests wait for each other: at 30 digits
        # a request, one thread answers three times as many requests. Users can set another value.
        "OMP_NUM_THREADS": "1",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        **spec.environment_variables,
        "AML_APP_ROOT": str(revision / CODE_FOLDER),
        "AZUREML_ENTRY_SCRIPT": spec.scoring_script or "",
        "AZUREML_MODEL_DIR": str(model.folder(revision)),
    }


def fingerprint(spec: DeploymentSpec, model: ModelFiles, leave_out: Path | None = None) -> str:
    """Return a hash of code, model and settings. Equal hashes need no new revision."""
    has_code = spec.code and spec.scoring_script
    code = snapshot_hash(Path(spec.code or ""), leave_out) if has_code else ""
    parts = [
        code,
        model.reference,
        spec.scoring_script,
        spec.instance_count,
        dict(spec.environment_variables),
        asdict(spec.request_settings),
        asdict(spec.liveness_probe),
        asdict(spec.readiness_probe),
    ]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _probe(settings: ProbeConfig) -> Probe:
    return Probe(**asdict(settings))


def _check_mlflow(model: ModelFiles) -> None:
    if model.type != "mlflow_model":
        raise ConfigError(
            [
                "endpoint.deployment.scoring_script: must name a script; only a model that is "
                f"registered with registration.type=mlflow_model needs none, and {model.reference} "
                f"is a {model.type}"
            ]
        )


def _copy_code(
    spec: DeploymentSpec, scoring_script: str, target: Path, leave_out: Path | None
) -> None:
    if spec.code is None or not Path(spec.code).is_dir():
        raise ConfigError([f"endpoint.deployment.code: must be a folder, got {spec.code}"])
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
    for key, value in (("name", model.name), ("version", model.version)):
        if not _ASSET_NAME.fullmatch(value):
            raise ConfigError(
                [
                    f"registration.{key}: must be letters, digits, dots, hyphens and underscores "
                    f"to be deployed, got {value!r}; register the model under another {key}"
                ]
            )
    # abspath keeps links: the artifact keeps the name under which it was registered.
    source = Path(os.path.abspath(model.path))  # noqa: PTH100
    target.mkdir(parents=True)
    if source.is_dir():
        shutil.copytree(source, target / source.name)
        _make_removable(target)
    elif source.is_file():
        shutil.copy2(source, target)
    else:
        raise NotFoundError(
            f"{source}: the files of model {model.reference} do not exist; register the model again"
        )


def _make_removable(folder: Path) -> None:
    """Make the folders of a copy writable: nobody could delete the copy of a read-only source."""
    for parent, _, _ in os.walk(folder):
        Path(parent).chmod(0o755)
