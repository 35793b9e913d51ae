"""What the config must mean: every rule that can be checked without doing anything.

`faults` gives one line for each broken rule, all of them at once; `warnings` gives lines about
what will probably go wrong. Both are pure but for looking whether named files exist.
"""

import math
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from mnist_exp.build import DATA_REFERENCE, script_command
from mnist_exp.catalog import environment_warning, size_warning
from mnist_exp.config import (
    ComputeTier,
    ComputeType,
    DataType,
    DistributionConfig,
    EnvConfig,
    EnvType,
    ExperimentConfig,
    Stage,
)
from mnist_exp.names import compute_name_fault, endpoint_name_fault, input_name_fault
from mnist_exp.sweeps import parse_sweep
from mnist_exp.templates import references

__all__ = ["faults", "needs_sweep", "warnings"]

PATH_TYPES = ("uri_folder", "uri_file")
INPUT_MODES = ("ro_mount", "download", "direct")
OUTPUT_MODES = ("rw_mount", "upload")
MODEL_TYPES = ("custom_model", "mlflow_model", "triton_model")

TRAINING = (Stage.train, Stage.sweep, Stage.all)
SWEEPING = (Stage.sweep, Stage.all)
SERVING = (Stage.deploy, Stage.invoke, Stage.cleanup, Stage.all)


def faults(config: ExperimentConfig) -> list[str]:
    """Return one line for each rule that the config breaks for its stage."""
    found = [*_general(config), *_compute(config), *_environment("env", config.env)]
    if config.stage in TRAINING:
        found += [*_data(config), *_model(config), *_job(config)]
    if config.stage in SWEEPING:
        found += [*_sweep(config)]
    if config.stage in (Stage.register, Stage.all):
        found += [*_registration(config)]
    if config.stage in SERVING:
        found += [*_endpoint(config)]
    if config.stage in (Stage.deploy, Stage.all):
        found += [*_deployment(config)]
    return found


def warnings(config: ExperimentConfig) -> list[str]:
    """Return one line for each thing that Azure no longer has or that looks like a mistake."""
    found = [
        size_warning(config.compute.size or ""),
        environment_warning(config.env.name or ""),
        environment_warning(
            config.endpoint.deployment.environment.name or "", "endpoint.deployment.environment"
        ),
    ]
    if config.stage in TRAINING and config.job.distribution.type is not None:
        found.append(
            "job.distribution: TensorFlow's gRPC server listens on every address of this machine, "
            "not on 127.0.0.1 alone; use it in networks that you trust"
        )
    if config.stage in SWEEPING:
        if config.compute.evict_after_epochs is not None:
            found.append("compute.evict_after_epochs: trials of a sweep are not evicted")
        parsed, _ = parse_sweep(config.sweep)
        found += parsed.warnings if parsed else []
    return [line for line in found if line]


def needs_sweep(stage: Stage) -> bool:
    """Whether the stage runs a sweep."""
    return stage in SWEEPING


def _general(config: ExperimentConfig) -> Iterator[str]:
    if not 0 <= config.seed < 2**31:
        yield f"seed: must be from 0 to 2147483647, got {config.seed}"
    if not config.outputs_dir.strip():
        yield "outputs_dir: must be a folder, got ''; the default is outputs"


def _compute(config: ExperimentConfig) -> Iterator[str]:
    compute = config.compute
    if compute.type is not ComputeType.local and (fault := compute_name_fault(compute.name)):
        yield f"compute.name: {fault}"
    if compute.min_instances < 0:
        yield f"compute.min_instances: must be 0 or more, got {compute.min_instances}"
    if compute.max_instances < max(1, compute.min_instances):
        yield (
            "compute.max_instances: must be at least 1 and at least compute.min_instances "
            f"({compute.min_instances}), got {compute.max_instances}"
        )
    if compute.evict_after_epochs is not None:
        if compute.evict_after_epochs < 1:
            yield (
                "compute.evict_after_epochs: must be at least 1, "
                f"got {compute.evict_after_epochs}; null evicts nothing"
            )
        if compute.tier is not ComputeTier.low_priority:
            yield (
                "compute.evict_after_epochs: nodes of low priority alone are taken away; "
                "add compute=low_priority"
            )
    if compute.idle_time_before_scale_down < 0:
        yield (
            "compute.idle_time_before_scale_down: must be 0 seconds or more, "
            f"got {compute.idle_time_before_scale_down}"
        )


def _environment(where: str, env: EnvConfig) -> Iterator[str]:
    if env.type is EnvType.curated and not env.name:
        yield f"{where}.name: a curated environment needs a name, e.g. NAME@latest"
    if env.type is EnvType.conda:
        if not env.image:
            yield f"{where}.image: a conda environment needs a Docker image"
        if env.conda_file and not Path(env.conda_file).is_file():
            yield f"{where}.conda_file: must be a file, got {env.conda_file}, which does not exist"


def _data(config: ExperimentConfig) -> Iterator[str]:
    data = config.data
    if data.type is DataType.folder and not Path(data.path or "").is_dir():
        yield (
            f"data.path: must be a folder with the four IDX files, got {data.path}, "
            "which does not exist; or use data=sample"
        )


def _model(config: ExperimentConfig) -> Iterator[str]:
    model = config.model
    for name in ("first_layer_neurons", "second_layer_neurons", "batch_size", "epochs"):
        value = getattr(model, name)
        if value < 1:
            yield f"model.{name}: must be a whole number of at least 1, got {value}"
    if not (math.isfinite(model.learning_rate) and model.learning_rate > 0):
        yield (
            "model.learning_rate: must be a finite number above 0, "
            f"got {model.learning_rate}; the tutorial's is 0.01"
        )


def _job(config: ExperimentConfig) -> Iterator[str]:
    job = config.job
    if (job.script is None) == (job.command is None):
        yield "job.script: name either a Python script or a job.command, not both and not neither"
    if job.code is None and job.script is not None:
        yield f"job.code: must be the folder that holds job.script ({job.script}), got null"
    elif job.code is not None and not Path(job.code).is_dir():
        yield f"job.code: must be a folder, got {job.code}, which does not exist"
    elif job.script is not None and (
        _leaves(job.script) or not Path(job.code or "", job.script).is_file()
    ):
        yield f"job.script: must be a file in job.code ({job.code}), got {job.script}"
    if not job.experiment_name.strip():
        yield "job.experiment_name: must not be empty"
    if job.timeout is not None and job.timeout < 1:
        yield f"job.timeout: must be at least 1 second, got {job.timeout}"
    yield from _distribution(job.distribution)
    for name, value in job.inputs.items():
        yield from _job_input(name, value)
    for name, value in job.outputs.items():
        if isinstance(value, Mapping | None):
            yield from _path_fields(f"job.outputs.{name}", name, value or {}, OUTPUT_MODES)
        else:
            yield f"job.outputs.{name}: must be {{type, mode}}, got {value!r}"
    for name in job.environment_variables:
        if not name or "=" in name:
            yield f"job.environment_variables: a name must not be empty nor hold =, got {name!r}"
    yield from _command(config)


def _distribution(distribution: DistributionConfig) -> Iterator[str]:
    where = "job.distribution"
    if not 1 <= distribution.worker_count <= 100:
        yield f"{where}.worker_count: must be from 1 to 100, got {distribution.worker_count}"
    if distribution.type is None and distribution.worker_count > 1:
        yield (
            f"{where}.type: {distribution.worker_count} workers need a type; "
            f"add {where}.type=tensorflow"
        )
    if distribution.parameter_server_count:
        yield (
            f"{where}.parameter_server_count: must be 0, got "
            f"{distribution.parameter_server_count}; with parameter servers workers update "
            "weights out of step, and a run would not repeat; raise worker_count instead"
        )


def _job_input(name: str, value: Any) -> Iterator[str]:
    where = f"job.inputs.{name}"
    if isinstance(value, Mapping):
        yield from _path_fields(where, name, value, INPUT_MODES, "path")
        yield from _input_path(f"{where}.path", value.get("path"))
        return
    if fault := input_name_fault(name):
        yield f"{where}: a name {fault}"
    if not isinstance(value, str | int | float | bool):
        yield f"{where}: must be a literal or {{type, path, mode}}, got {value!r}"


def _input_path(where: str, path: Any) -> Iterator[str]:
    if not path:
        return
    if not isinstance(path, str):
        yield f"{where}: must be text, got {path!r}"
    elif "{{" in path:
        if path != DATA_REFERENCE:
            yield f"{where}: the only reference is {DATA_REFERENCE}, got {path}"
    elif "://" not in path and not path.startswith("azureml:") and not Path(path).exists():
        yield f"{where}: must exist, got {path}"


def _leaves(path: str) -> bool:
    """Whether a path leads out of the folder that it is relative to."""
    return Path(path).is_absolute() or ".." in Path(path).parts


def _path_fields(
    where: str, name: str, value: Mapping[str, Any], modes: tuple[str, ...], *required: str
) -> Iterator[str]:
    if fault := input_name_fault(name):
        yield f"{where}: a name {fault}"
    known = {"type", "mode", *required}
    for key in value:
        if key not in known:
            yield f"{where}.{key}: no such key; it has {', '.join(sorted(known))}"
    for key in required:
        if not value.get(key):
            yield f"{where}.{key}: must be given"
    if value.get("type", PATH_TYPES[0]) not in PATH_TYPES:
        yield f"{where}.type: must be one of {', '.join(PATH_TYPES)}, got {value['type']}"
    if value.get("mode", modes[0]) not in modes:
        yield f"{where}.mode: must be one of {', '.join(modes)}, got {value['mode']}"


def _command(config: ExperimentConfig) -> Iterator[str]:
    job = config.job
    if job.command is None:
        return
    # stage=all runs the command by itself too, before any value is drawn.
    drawn = _swept(config) if config.stage is Stage.sweep else set()
    known = {"inputs": {*job.inputs, *drawn}, "outputs": {*job.outputs}, "search_space": drawn}
    if config.stage is Stage.sweep and not drawn:
        # The sweep has faults of its own, which come first.
        del known["search_space"]
    for (kind, name), required in sorted(references(job.command).items()):
        if required and name not in known.get(kind, {name}):
            listed = ", ".join(sorted(known[kind])) or "none"
            yield f"job.command: {{{{{kind}.{name}}}}} is not defined; there are {listed}"


def _sweep(config: ExperimentConfig) -> Iterator[str]:
    _, found = parse_sweep(config.sweep)
    yield from found
    inputs = config.job.inputs
    command = config.job.command or script_command("", inputs, {})
    used = {name for kind, name in references(command) if kind in ("inputs", "search_space")}
    for name in sorted(_swept(config)):
        close = get_close_matches(name, inputs, n=1, cutoff=0.8)
        if name not in used and (close or config.job.command is not None):
            hint = f"did you mean {close[0]}?" if close else "the command does not use it"
            yield f"sweep.search_space.{name}: no input of the job has this name; {hint}"


def _swept(config: ExperimentConfig) -> set[str]:
    plan, _ = parse_sweep(config.sweep)
    return set(plan.search_space) if plan else set()


def _registration(config: ExperimentConfig) -> Iterator[str]:
    asset = config.registration
    if not asset.name.strip() or set(asset.name) & set("/:\\"):
        yield f"registration.name: must not be empty nor hold / : or \\, got {asset.name!r}"
    if asset.type not in MODEL_TYPES:
        yield f"registration.type: must be one of {', '.join(MODEL_TYPES)}, got {asset.type}"
    if _leaves(asset.path):
        yield f"registration.path: must be relative to the job's files, got {asset.path}"


def _endpoint(config: ExperimentConfig) -> Iterator[str]:
    endpoint = config.endpoint
    name = endpoint.name if endpoint.name is not None else f"{endpoint.name_prefix}00000000"
    if fault := endpoint_name_fault(name):
        key = "name" if endpoint.name is not None else "name_prefix"
        yield f"endpoint.{key}: {fault}; Azure allows nothing else"
    if endpoint.samples < 1:
        yield f"endpoint.samples: must be at least 1, got {endpoint.samples}"
    if endpoint.port is not None and not 1024 <= endpoint.port <= 65535:
        yield f"endpoint.port: must be from 1024 to 65535, got {endpoint.port}"
    if endpoint.request_file and not Path(endpoint.request_file).is_file():
        yield (
            f"endpoint.request_file: must be a file, got {endpoint.request_file}, "
            "which does not exist"
        )
    yield from _traffic(endpoint.traffic)


def _traffic(traffic: Mapping[str, int]) -> Iterator[str]:
    for name, percent in traffic.items():
        if not 0 <= percent <= 100:
            yield f"endpoint.traffic.{name}: must be from 0 to 100 percent, got {percent}"
    if sum(traffic.values()) not in (0, 100):
        yield f"endpoint.traffic: must sum to 0 or 100, got {sum(traffic.values())}"


def _deployment(config: ExperimentConfig) -> Iterator[str]:
    deployment = config.endpoint.deployment
    where = "endpoint.deployment"
    if fault := endpoint_name_fault(deployment.name):
        yield f"{where}.name: {fault}; Azure allows nothing else"
    if not Path(deployment.code).is_dir():
        yield f"{where}.code: must be a folder, got {deployment.code}, which does not exist"
    elif not Path(deployment.code, deployment.scoring_script).is_file():
        yield (
            f"{where}.scoring_script: must be a file in {where}.code ({deployment.code}), "
            f"got {deployment.scoring_script}"
        )
    if not 1 <= deployment.instance_count <= 50:
        yield f"{where}.instance_count: must be from 1 to 50, got {deployment.instance_count}"
    settings = deployment.request_settings
    if not 1 <= settings.request_timeout_ms <= 180_000:
        yield (
            f"{where}.request_settings.request_timeout_ms: must be from 1 to 180000, "
            f"got {settings.request_timeout_ms}"
        )
    if settings.max_concurrent_requests_per_instance < 1:
        yield (
            f"{where}.request_settings.max_concurrent_requests_per_instance: must be at least 1, "
            f"got {settings.max_concurrent_requests_per_instance}"
        )
    yield from _environment(f"{where}.environment", deployment.environment)
