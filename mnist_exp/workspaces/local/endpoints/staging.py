"""The files of a revision, laid out as in Azure ML's inference container."""

import os
import re
import shutil
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from mnist_exp.errors import ConfigError, NotFoundError
from mnist_exp.records import write_json
from mnist_exp.serving.settings import CODE_FOLDER, SETTINGS_FILE, Settings
from mnist_exp.snapshot import copy_snapshot
from mnist_exp.specs import DeploymentSpec
from mnist_exp.workspaces.local.environment import INHERITED

__all__ = ["ModelFiles", "server_environment", "stage_revision"]

MODELS_FOLDER = "azureml-models"
#: Becomes a folder's name.
ASSET_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True)
class ModelFiles:
    """A registered model.

    Attributes:
        path: The artefact root: the file or folder that was registered.
    """

    path: Path
    name: str
    version: str

    @property
    def reference(self) -> str:
        """`name:version`."""
        return f"{self.name}:{self.version}"

    def folder(self, revision: Path) -> Path:
        """Return what AZUREML_MODEL_DIR names: the folder that contains the artefact root."""
        return revision / MODELS_FOLDER / self.name / self.version


def stage_revision(
    revision: Path, spec: DeploymentSpec, model: ModelFiles, settings: Settings
) -> None:
    """Copy code and model, so that later changes elsewhere do not reach the deployment.

    Raises:
        ConfigError: The code lacks the scoring script.
        NotFoundError: The model's files are gone.
    """
    _copy_code(spec, revision / CODE_FOLDER)
    _copy_model(model, model.folder(revision))
    write_json(revision / SETTINGS_FILE, asdict(settings))


def server_environment(spec: DeploymentSpec, model: ModelFiles, revision: Path) -> dict[str, str]:
    """Return all environment variables of the server: nothing else is inherited.

    Names: https://learn.microsoft.com/azure/machine-learning/how-to-deploy-online-endpoints
    """
    inherited = {name: os.environ[name] for name in INHERITED if name in os.environ}
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    return {
        **inherited,
        "PATH": programs,
        # A log that can be followed, and non-ASCII text in it.
        "PYTHONUNBUFFERED": "1",
        "PYTHONIOENCODING": "utf-8",
        # A linear-algebra thread for each core makes small requests wait for one another: with
        # 30 digits a request, one thread answers three times as many. Set it to change that.
        "OMP_NUM_THREADS": "1",
        **spec.environment_variables,
        "AML_APP_ROOT": str(revision / CODE_FOLDER),
        "AZUREML_ENTRY_SCRIPT": spec.scoring_script,
        "AZUREML_MODEL_DIR": str(model.folder(revision)),
    }


def _copy_code(spec: DeploymentSpec, target: Path) -> None:
    if not spec.code.is_dir():
        raise ConfigError([f"endpoint.deployment.code: must be a folder, got {spec.code}"])
    copy_snapshot(spec.code, target)
    script = (target / spec.scoring_script).resolve()
    if not script.is_file() or not script.is_relative_to(target.resolve()):
        raise ConfigError(
            [
                "endpoint.deployment.scoring_script: must be a file in the code folder that its "
                f".amlignore does not leave out, got {spec.scoring_script!r} in {spec.code}"
            ]
        )


def _copy_model(model: ModelFiles, target: Path) -> None:
    for key, value in (("name", model.name), ("version", model.version)):
        if not ASSET_NAME.fullmatch(value):
            raise ConfigError(
                [
                    f"registration.{key}: must be letters, digits, dots, hyphens and underscores "
                    f"to be deployed, got {value!r}; register the model under another one"
                ]
            )
    # Not resolved: behind a link the artefact still has the name it was registered by.
    source = Path(os.path.abspath(model.path))  # noqa: PTH100
    target.mkdir(parents=True)
    if source.is_dir():
        shutil.copytree(source, target / source.name)
        _make_removable(target)
    elif source.is_file():
        shutil.copy2(source, target)
    else:
        raise NotFoundError(f"{source}: the files of model {model.reference} are gone; register it")


def _make_removable(folder: Path) -> None:
    """A read-only source must not make a copy that nobody can delete."""
    for parent, _, _ in os.walk(folder):
        Path(parent).chmod(0o755)
