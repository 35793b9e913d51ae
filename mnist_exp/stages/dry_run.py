"""dry_run=true: build the YAML of each object that a command would create.

A dry run uses no network and creates nothing.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, assert_never

from mnist_exp.azure_form.yaml_documents import (
    cluster_yaml,
    command_yaml,
    deployment_yaml,
    endpoint_yaml,
    model_yaml,
    sweep_yaml,
)
from mnist_exp.build import (
    command_job,
    deployment_spec,
    endpoint_spec,
    model_spec,
    placeholder_model,
    sweep_job,
)
from mnist_exp.config import ComputeType, DataConfig, Stage
from mnist_exp.experiment import Experiment
from mnist_exp.lazy import datasets
from mnist_exp.names import new_endpoint_name, new_job_name
from mnist_exp.records import RecordIndex
from mnist_exp.snapshot import file_size, snapshot_files
from mnist_exp.specs import parse_model_name
from mnist_exp.stages.earlier_records import completed_job, model_name, model_source


@dataclass(frozen=True)
class Document:
    """An object that the command would create: its kind, name and YAML content."""

    kind: str
    name: str
    content: dict[str, Any]


@dataclass(frozen=True)
class Snapshot:
    """The files of a code folder that the command would upload, and their size in bytes."""

    key: str
    folder: Path
    files: tuple[Path, ...]
    size: int


def planned(config: Experiment) -> list[Document]:
    """Return a document for each object that the stage would create, in order.

    Generated names are examples. A real run generates other names.
    """
    return [document for maker in _MAKERS.get(config.stage, ()) for document in maker(config)]


def snapshots(config: Experiment) -> Iterator[Snapshot]:
    """Yield the code folders that the stage would upload."""
    outputs = Path(config.outputs_dir)
    if config.stage.trains and config.job.code:
        yield _snapshot("job.code", Path(config.job.code), outputs)
    deployment = config.endpoint.deployment
    if config.stage.deploys and deployment.scoring_script is not None:
        yield _snapshot("endpoint.deployment.code", Path(deployment.code or ""), outputs)


def _snapshot(key: str, folder: Path, outputs: Path) -> Snapshot:
    files = tuple(snapshot_files(folder, outputs))
    return Snapshot(key, folder, files, sum(file_size(folder / path) for path in files))


def _compute(config: Experiment) -> Iterator[Document]:
    spec = config.compute
    match spec.type:
        case ComputeType.amlcompute:
            yield Document("compute", spec.name, cluster_yaml(spec))
        case ComputeType.local | ComputeType.serverless:
            # The workspace creates nothing for these types.
            return
        case unknown:
            assert_never(unknown)


def _train(config: Experiment) -> Iterator[Document]:
    job = command_job(config, config.run or new_job_name("train"))
    yield Document("train", job.name, command_yaml(job, _locate))


def _sweep(config: Experiment) -> Iterator[Document]:
    job = sweep_job(config, config.run or new_job_name("sweep"))
    yield Document("sweep", job.name, sweep_yaml(job, _locate))


def _register(config: Experiment) -> Iterator[Document]:
    is_new = config.stage is Stage.all
    job = None if is_new else completed_job(config, RecordIndex(Path(config.outputs_dir)))
    spec = model_spec(config, model_source(job) if job else config.run or "BEST_TRIAL")
    yield Document("model", spec.name, model_yaml(spec))


def _deploy(config: Experiment) -> Iterator[Document]:
    endpoint = config.endpoint
    name = endpoint.name or new_endpoint_name(endpoint.name_prefix)
    yield Document("endpoint", name, endpoint_yaml(endpoint_spec(config, name)))
    spec = deployment_spec(config, name, _model_reference(config))
    yield Document("deployment", spec.name, deployment_yaml(spec))


def _model_reference(config: Experiment) -> str:
    """Return the model that the command would deploy, or a placeholder for a new model."""
    wanted = model_name(config, RecordIndex(Path(config.outputs_dir)))
    if config.stage is Stage.all or wanted is None:
        return placeholder_model(config)
    name, version = parse_model_name(wanted)
    return f"{name}@latest" if version is None else f"{name}:{version}"


_MAKERS: dict[Stage, tuple[Callable[[Experiment], Iterator[Document]], ...]] = {
    Stage.compute: (_compute,),
    Stage.train: (_train,),
    Stage.sweep: (_sweep,),
    Stage.register: (_register,),
    Stage.deploy: (_deploy,),
    Stage.all: (_compute, _train, _sweep, _register, _deploy),
}


def _locate(source: Path | str | DataConfig) -> str:
    if isinstance(source, DataConfig):
        return source.azure_path or str(datasets().local_folder(source))
    return str(source)
