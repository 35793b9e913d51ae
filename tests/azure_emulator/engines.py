"""Engines run the emulator's jobs and deployments: the local workspace, or a stub."""

import json
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from mnist_exp.errors import MnistExpError
from mnist_exp.results import JobResult, TrialResult
from mnist_exp.specs import EndpointSpec, ModelSpec
from mnist_exp.sweeps.space.keys import azure_name
from mnist_exp.workspaces.local.workspace import LocalWorkspace
from tests.azure_emulator import request_specs
from tests.azure_emulator.faults import Action
from tests.azure_emulator.store import EmulatedJob
from tests.azure_emulator.wire import RefusalError

if TYPE_CHECKING:
    from tests.azure_emulator.emulator import Emulator


ARTIFACTS = "azureml"


class Engine(Protocol):
    """Runs jobs and deployments."""

    def attach(self, emulator: "Emulator") -> None:
        """Set the emulator that the engine works for."""

    def start(self, job: EmulatedJob, action: Action | None) -> None:
        """Run a job in the background."""

    def register(self, name: str, version: str, sent: dict[str, Any]) -> None:
        """Register a model version."""

    def deploy(self, endpoint: str, deployment: str, sent: dict[str, Any]) -> None:
        """Start a deployment and return when it answers; raise RefusalError if it does not."""

    def score(self, endpoint: str, deployment: str, body: bytes) -> Any:
        """Answer a scoring request."""

    def logs(self, endpoint: str, deployment: str, lines: int) -> Sequence[str]:
        """Return the last lines that a deployment printed."""

    def delete(self, endpoint: str) -> None:
        """Stop every deployment of an endpoint."""

    def folder_of(self, uri: str) -> Path:
        """Return the local folder for an address; raise KeyError if there is none."""

    def close(self) -> None:
        """Stop everything."""


class _Shared:
    """Methods that both engines share."""

    emulator: "Emulator"

    def attach(self, emulator: "Emulator") -> None:
        """Set the emulator that the engine works for."""
        self.emulator = emulator

    def artifact(self, job: str, path: str, content: bytes) -> None:
        """Store a file of a job."""
        self.emulator.store.blobs[ARTIFACTS, f"ExperimentRun/dcid.{job}/{path}"] = content

    def folder_of(self, uri: str) -> Path:
        """Return the local folder for an address; raise KeyError if there is none."""
        if uri in self.emulator.mounts:
            return self.emulator.mounts[uri]
        _, separator, path = uri.partition("/paths/")
        if separator:
            store = uri.partition("/datastores/")[2].partition("/")[0]
            container = {"workspaceblobstore": "azureml-blobstore"}.get(store, ARTIFACTS)
            return self.unpacked(container, path)
        raise KeyError(uri)

    def code_folder(self, identifier: str) -> Path:
        """Return the files of a code asset."""
        parts = identifier.split("/")
        asset = self.emulator.store.codes[parts[-3], parts[-1]]
        _, _, path = asset["properties"]["codeUri"].partition("/wirestore.blob.localhost/")
        container, _, prefix = path.partition("/")
        return self.unpacked(container, prefix)

    def unpacked(self, container: str, prefix: str) -> Path:
        """Write the blobs with a prefix to a folder; raise KeyError if there are none."""
        prefix = prefix.strip("/")
        found = {
            name: content
            for (one, name), content in self.emulator.store.blobs.items()
            if one == container and (not prefix or name.startswith(f"{prefix}/"))
        }
        if not found:
            raise KeyError(prefix)
        folder = self.emulator.folder / "unpacked" / f"{container}-{prefix.replace('/', '-')}"
        for name, content in found.items():
            path = folder / name.removeprefix(prefix).lstrip("/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        return folder


class LocalEngine(_Shared):
    """Runs jobs and deployments on the local workspace.

    Args:
        outputs: Outputs folder of the local workspace.
    """

    def __init__(self, outputs: Path) -> None:
        self._outputs = outputs
        self._models: dict[tuple[str, str], str] = {}
        self._deployed: set[str] = set()

    def start(self, job: EmulatedJob, action: Action | None) -> None:
        """Run a job in a new thread."""
        threading.Thread(target=self._run, args=(job, action), daemon=True).start()

    def _run(self, job: EmulatedJob, action: Action | None) -> None:
        job.status, job.started_ms = "Queued", _now_ms()
        workspace = LocalWorkspace(self._outputs)
        body = job.body["trial"] if job.is_sweep else job.body
        code = self.code_folder(body["codeId"]) if "codeId" in body else None
        make = request_specs.sweep_job if job.is_sweep else request_specs.command_job
        try:
            spec = make(job.name, job.body, code, self.folder_of)
            workspace.submit(spec)
            job.status = "Running"
            watcher = _Watcher(self, job)
            result = workspace.watch(job.name, watcher)
        except MnistExpError as error:
            self._end(job, "Failed", str(error))
        except KeyboardInterrupt:
            self._end(job, "Canceled", "")
        else:
            self._keep(workspace, job, watcher, result)

    def _keep(
        self, workspace: LocalWorkspace, job: EmulatedJob, watcher: "_Watcher", result: JobResult
    ) -> None:
        watcher.job_changed(result)
        job.status = "Finalizing"
        for name in (job.name, *job.trials):
            self._upload(workspace, name)
        job.best = result.best
        if job.is_sweep:
            self.artifact(job.name, "user_logs/std_log.txt", "\n".join(watcher.lines).encode())
        self._end(job, result.status.value, result.why)

    def _upload(self, workspace: LocalWorkspace, job: str) -> None:
        for part in ("outputs", "logs", "user_logs"):
            folder = workspace.download(job, part)
            for path in sorted(folder.rglob("*")) if folder else []:
                if path.is_file() and folder:
                    self.artifact(job, f"{part}/{path.relative_to(folder)}", path.read_bytes())

    def _end(self, job: EmulatedJob, status: str, why: str) -> None:
        job.error, job.ended_ms = why or None, _now_ms()
        job.status = status

    def register(self, name: str, version: str, sent: dict[str, Any]) -> None:
        """Register the files on the local workspace, which has version numbers of its own."""
        uri = sent["modelUri"]
        job, _, path = uri.removeprefix("azureml://jobs/").partition("/outputs/artifacts/paths/")
        if job not in self.emulator.store.jobs:
            raise RefusalError(400, "UserError", f"no job {job}")
        spec = ModelSpec(name, job, path.strip("/"), sent["modelType"])
        try:
            made = LocalWorkspace(self._outputs).register_model(spec)
        except MnistExpError as error:
            raise RefusalError(400, "UserError", str(error)) from error
        self._models[name, version] = f"{made.name}:{made.version}"

    def deploy(self, endpoint: str, deployment: str, sent: dict[str, Any]) -> None:
        """Deploy on the local workspace."""
        parts = sent["model"].split("/")
        scoring = sent.get("codeConfiguration")
        code = self.code_folder(scoring["codeId"]) if scoring else None
        model = self._models[parts[-3], parts[-1]]
        workspace = LocalWorkspace(self._outputs)
        spec = request_specs.deployment_spec(endpoint, deployment, sent, code, model)
        try:
            if endpoint not in self._deployed:
                workspace.create_or_update_endpoint(EndpointSpec(endpoint))
                self._deployed.add(endpoint)
            workspace.create_or_update_deployment(spec)
        except MnistExpError as error:
            raise RefusalError(400, "ImageBuildFailure", str(error)) from error

    def score(self, endpoint: str, deployment: str, body: bytes) -> Any:
        """Send the request to the local endpoint."""
        try:
            return LocalWorkspace(self._outputs).invoke(endpoint, body, deployment)
        except MnistExpError as error:
            raise RefusalError(500, "ModelError", str(error)) from error

    def logs(self, endpoint: str, deployment: str, lines: int) -> Sequence[str]:
        """Return the last lines that the local deployment printed."""
        try:
            return LocalWorkspace(self._outputs).logs(endpoint, deployment, lines)
        except MnistExpError:
            return []

    def delete(self, endpoint: str) -> None:
        """Delete the local endpoint if it has been created."""
        if endpoint in self._deployed:
            self._deployed.discard(endpoint)
            LocalWorkspace(self._outputs).delete_endpoint(endpoint)

    def close(self) -> None:
        """Delete the endpoints that still exist."""
        for endpoint in list(self._deployed):
            self.delete(endpoint)


class _Watcher:
    """An observer that copies the local job's progress to the emulated job."""

    def __init__(self, engine: LocalEngine, job: EmulatedJob) -> None:
        self._engine = engine
        self._job = job
        self.lines: list[str] = []

    def job_changed(self, job: JobResult) -> None:
        """Copy metrics, trials and the log."""
        if self._job.cancel_requested:
            raise KeyboardInterrupt
        _copy_results(self._job, job.metrics, job.parameters)
        for trial in job.trials:
            self._copy_trial(trial)
        if job.log and Path(job.log).is_file():
            content = Path(job.log).read_bytes()
            self._engine.artifact(self._job.name, "user_logs/std_log.txt", content)

    def idle(self) -> None:
        """Do nothing."""

    def _copy_trial(self, trial: TrialResult) -> None:
        jobs = self._engine.emulator.store.jobs
        if trial.name not in jobs:
            jobs[trial.name] = EmulatedJob(
                trial.name, {"jobType": "Command"}, parent=self._job.name, started_ms=_now_ms()
            )
            self._job.trials.append(trial.name)
        one = jobs[trial.name]
        _copy_results(one, trial.metrics, trial.parameters)
        one.status, one.ended_ms = trial.status.value, _now_ms()

    def message(self, text: str) -> None:
        """Keep the line for the sweep's log."""
        self.lines.append(text)


def _copy_results(job: EmulatedJob, metrics: Any, parameters: Any) -> None:
    job.parameters = {azure_name(key): value for key, value in parameters.items()}
    for name, points in metrics.items():
        kept = job.metrics.setdefault(name, [])
        kept += [(point.value, point.step, _now_ms()) for point in points[len(kept) :]]


#: Files that each of the stub's jobs keeps.
_STUB_FILES = {
    "outputs/model/weight.txt": b"1",
    "outputs/model/input_example.json": b'{"data": []}',
    "outputs/model/serving_input_example.json": b'{"inputs": [[1]]}',
    "user_logs/std_log.txt": b"epoch 1/1\n",
}


class StubEngine(_Shared):
    """Finishes every job at once, with rising metrics, and answers 0 for each digit."""

    def start(self, job: EmulatedJob, action: Action | None) -> None:
        """Finish the job, with the fault if one is given."""
        job.started_ms = _now_ms()
        if job.is_sweep:
            for index in range(job.body["limits"]["maxTotalTrials"]):
                self._trial(job, index)
            job.best = job.trials[-1]
        self._finish(job, 0, "Failed" if action is Action.JOB_FAILED else "Completed")
        if action is Action.PREEMPTED:
            # The node was evicted and the job ran again: its metrics are logged twice.
            self._finish(job, 0, "Completed")

    def _trial(self, job: EmulatedJob, index: int) -> None:
        name = f"{job.name}_{index}"
        trial = EmulatedJob(name, {"jobType": "Command"}, parent=job.name, started_ms=_now_ms())
        drawn = job.body["searchSpace"]
        trial.parameters = {key: _first(expression) for key, expression in drawn.items()}
        self.emulator.store.jobs[name] = trial
        job.trials.append(name)
        self._finish(trial, index, "Completed")

    def _finish(self, job: EmulatedJob, index: int, status: str) -> None:
        points = job.metrics.setdefault("validation_acc", [])
        points += [(0.5 + 0.01 * index + 0.1 * step, step, _now_ms()) for step in (1, 2)]
        for path, content in _STUB_FILES.items():
            self.artifact(job.name, path, content)
        job.error = "the script ended with exit code 1" if status == "Failed" else None
        job.status, job.ended_ms = status, _now_ms()

    def register(self, name: str, version: str, sent: dict[str, Any]) -> None:
        """Accept any files of an existing job."""
        job = sent["modelUri"].removeprefix("azureml://jobs/").partition("/")[0]
        if job not in self.emulator.store.jobs:
            raise RefusalError(400, "UserError", f"no job {job}")

    def deploy(self, endpoint: str, deployment: str, sent: dict[str, Any]) -> None:
        """Do nothing."""

    def score(self, endpoint: str, deployment: str, body: bytes) -> Any:
        """Return 0 for each row."""
        return [0 for _ in json.loads(body)["data"]]

    def logs(self, endpoint: str, deployment: str, lines: int) -> Sequence[str]:
        """Return a line."""
        return ["ImportError: no module named missing"]

    def delete(self, endpoint: str) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


def _first(expression: Any) -> Any:
    kind, values = expression
    return values[0][0] if kind == "choice" else values[0]


def _now_ms() -> int:
    return int(time.time() * 1000)
