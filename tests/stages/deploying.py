"""Real endpoints for the deploy stage, without jobs and without MLflow's store."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path

from mnist_exp.config import Stage
from mnist_exp.errors import ConfigError
from mnist_exp.records import Record
from mnist_exp.results import Deployment, Endpoint, RegisteredModel
from mnist_exp.specs import DeploymentSpec, EndpointSpec
from mnist_exp.stages import RUNNERS, StageContext, run_stage
from mnist_exp.workspaces.local.endpoints import ModelFiles
from mnist_exp.workspaces.local.workspace import LocalWorkspace
from tests.support.recorded_outputs import RecordedOutputs

NAME = "digits-endpoint"
SCRIPT = "def init(): pass\ndef run(raw_data): return {'digits': [7]}\n"


class WithoutJobs(LocalWorkspace):
    """A local workspace with one model, which no job produced."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder / "outputs")
        self._model = folder / "model"

    def find_model(self, name: str, version: str | None = None) -> RegisteredModel:
        """Return the model."""
        return RegisteredModel("digits", "1", str(self._model), "training")

    def create_or_update_deployment(self, spec: DeploymentSpec) -> Deployment:
        """Deploy the model."""
        return self._endpoints.deploy(spec, ModelFiles(self._model, "digits", "1"))

    def model_file(self, model: str, path: str) -> None:
        """Return None: the model has no example."""


@dataclass
class Deploying:
    """An outputs folder with a registered model, and commands that deploy it."""

    folder: Path
    outputs: RecordedOutputs
    workspace: LocalWorkspace
    _numbers: Iterator[int] = field(default_factory=count)

    @property
    def now(self) -> Endpoint:
        """The endpoint as it is now."""
        return self.workspace.get_endpoint(NAME)

    @property
    def said(self) -> list[str]:
        """The lines that the latest command printed."""
        return self.outputs.display.messages

    def processes(self, deployment: str) -> list[int]:
        """Return the process ids of a deployment's workers; a replaced deployment has others."""
        return list(self.workspace.statistics(NAME)[deployment].processes)

    def script(self, text: str) -> None:
        """Write the scoring script of the next deployment."""
        (self.folder / "code" / "score.py").write_text(text, encoding="utf-8")

    def faults(self, *overrides: str, stage: Stage = Stage.deploy) -> list[str]:
        """Return the reasons why a command cannot start."""
        return RUNNERS[stage](self._context(stage, *overrides)).faults()

    def run(self, *overrides: str, stage: Stage = Stage.deploy) -> Record:
        """Run a command as the command line does: first its checks, then its stage."""
        if faults := self.faults(*overrides, stage=stage):
            raise ConfigError(faults)
        return self.run_unchecked(*overrides, stage=stage)

    def run_unchecked(self, *overrides: str, stage: Stage = Stage.deploy) -> Record:
        """Run a command without its checks, as if something changed after them."""
        return run_stage(RUNNERS[stage](self._context(stage, *overrides)))

    def update(self, **fields: object) -> None:
        """Change the endpoint without a command."""
        spec = EndpointSpec(NAME, **fields)  # type: ignore[arg-type]
        self.workspace.create_or_update_endpoint(spec)

    def _context(self, stage: Stage, *overrides: str) -> StageContext:
        self.outputs.display.messages.clear()
        given = {text.partition("=")[0] for text in overrides}
        usual = {
            "endpoint.name": NAME,
            "endpoint.deployment.code": self.folder / "code",
            "endpoint.request_file": self.folder / "request.json",
        }
        words = [f"{key}={value}" for key, value in usual.items() if key not in given]
        context = self.outputs.context(stage, *overrides, *words, opener=lambda: self.workspace)
        return replace(context, folder=context.folder.with_name(f"command_{next(self._numbers)}"))


def deploying(folder: Path) -> Iterator[Deploying]:
    """Yield a folder with a registered model; delete the endpoints afterwards."""
    for name in ("code", "model"):
        (folder / name).mkdir()
    (folder / "request.json").write_text("{}", encoding="utf-8")
    outputs = RecordedOutputs(folder / "outputs")
    model = {"name": "digits", "version": "1", "job": "training", "type": "custom_model"}
    outputs.add(Stage.register, "digits:1", model=model)
    made = Deploying(folder, outputs, WithoutJobs(folder))
    made.script(SCRIPT)
    try:
        yield made
    finally:
        for endpoint in made.workspace.list_endpoints():
            made.workspace.delete_endpoint(endpoint.name)
