"""Checks of the job and registration groups.

The job group contains the code, the command, the inputs, the outputs and the distribution.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mnist_exp.azure_files import JobFile
from mnist_exp.build import DATA_REFERENCE
from mnist_exp.checks.arguments import argument_faults
from mnist_exp.checks.model import model_field, share_rule
from mnist_exp.checks.sweep import swept_names
from mnist_exp.checks.variables import variable_faults
from mnist_exp.config import ExperimentConfig, ModelType, Stage, WorkspaceType
from mnist_exp.experiment import Experiment
from mnist_exp.names import asset_name_fault, describe_path, input_name_fault
from mnist_exp.specs import parse_model_name
from mnist_exp.templates import references, unreadable

_PATH_TYPES = ("uri_folder", "uri_file", "mltable", *ModelType)
#: Type of an input that must be a folder -> name of a file that the folder must contain.
_FOLDER_FILES = {"mltable": "MLTable", ModelType.mlflow_model: "MLmodel"}
_INPUT_MODES = ("ro_mount", "download", "direct")
_OUTPUT_MODES = ("rw_mount", "upload")


def job_faults(config: Experiment) -> Iterator[str]:
    """Yield faults of the job, e.g. files that do not exist, or names that Azure ML refuses."""
    job = config.job
    if (job.script is None) == (job.command is None):
        yield "job.script: give exactly one of job.script and job.command"
    if job.code is None and job.script is not None:
        yield f"job.code: must be the folder that contains job.script ({job.script}), got null"
    elif job.code is not None and not Path(job.code).is_dir():
        yield f"job.code: must be a folder, got {job.code}, which {describe_path(job.code)}"
    elif job.script is not None and (
        _leads_out(job.script) or not Path(job.code or "", job.script).is_file()
    ):
        yield f"job.script: must be a file in job.code ({job.code}), got {job.script}"
    if fault := asset_name_fault(job.experiment_name):
        yield f"job.experiment_name: {fault}"
    if job.timeout is not None and job.timeout < 1:
        yield f"job.timeout: must be at least 1 second, got {job.timeout}"
    yield from _distribution(config)
    for name, value in job.inputs.items():
        yield from _job_input(name, value)
    for name, value in job.outputs.items():
        if isinstance(value, Mapping | None):
            yield from _path_fields(f"job.outputs.{name}", name, value or {}, _OUTPUT_MODES)
            yield from _output(f"job.outputs.{name}", value or {})
        else:
            yield f"job.outputs.{name}: must be {{type, mode, path, name}}, got {value!r}"
    yield from variable_faults("job.environment_variables", job.environment_variables)
    yield from _command(config)
    yield from argument_faults(config)


def ignored_warnings(job_file: JobFile, workspace: WorkspaceType) -> Iterator[str]:
    """Yield one line with the fields of a job file that have no effect."""
    here = job_file.ignored_here if workspace is WorkspaceType.local else ()
    if fields := (*here, *job_file.ignored):
        where = " on this machine" if here else ""
        yield f"{job_file.document.path.name}: {', '.join(fields)}: no effect{where}"


def _output(where: str, value: Mapping[str, Any]) -> Iterator[str]:
    path, name = value.get("path"), value.get("name")
    if path is not None and (not isinstance(path, str) or "://" not in path):
        yield (
            f"{where}.path: must be a URI on Azure, e.g. "
            f"azureml://datastores/workspaceblobstore/paths/FOLDER, got {path}"
        )
    if name is not None and (fault := asset_name_fault(str(name))):
        yield f"{where}.name: {fault}"


def _distribution(config: Experiment) -> Iterator[str]:
    where, distribution = "job.distribution", config.job.distribution
    batch_size = config.model.batch_size
    if model_field("batch_size", config.sources) and (
        rule := share_rule(batch_size, distribution.worker_count)
    ):
        yield f"model.batch_size: must be {rule}, got {batch_size}"
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
            f"{distribution.parameter_server_count}; with parameter servers, workers update the "
            "weights at random times, so that no run can be repeated; use "
            f"{where}.worker_count instead"
        )


def _job_input(name: str, value: Any) -> Iterator[str]:
    where = f"job.inputs.{name}"
    if isinstance(value, Mapping):
        yield from _path_fields(where, name, value, _INPUT_MODES, "path")
        yield from _input_path(f"{where}.path", value.get("path"), value.get("type"))
        return
    if fault := input_name_fault(name):
        yield f"{where}: a name {fault}"
    if not isinstance(value, str | int | float | bool):
        got = "null" if value is None else repr(value)
        yield f"{where}: must be a literal or {{type, path, mode}}, got {got}"


def _input_path(where: str, path: Any, kind: Any) -> Iterator[str]:
    if not path:
        return
    if not isinstance(path, str):
        yield f"{where}: must be text, got {path!r}"
    elif "{{" in path:
        if path != DATA_REFERENCE:
            yield f"{where}: the only allowed reference is {DATA_REFERENCE}, got {path}"
    elif path.startswith("models:/"):
        name, version = parse_model_name(path)
        model = f"{name}:{version}" if version else f"{name}@latest"
        yield f"{where}: must be an address of Azure ML, got {path}; write azureml:{model}"
    elif path.startswith("azureml:") and not path.startswith("azureml:/"):
        if fault := asset_name_fault(parse_model_name(path)[0]):
            yield f"{where}: must be azureml:NAME:VERSION or azureml:NAME@latest; the name {fault}"
    elif "://" not in path and not path.startswith("azureml:") and not Path(path).exists():
        yield f"{where}: must exist, got {path}; name an existing file or folder"
    elif (
        "://" not in path
        and not path.startswith("azureml:")
        and kind in _FOLDER_FILES
        and not Path(path, _FOLDER_FILES[kind]).is_file()
    ):
        yield (
            f"{where}: must be a folder with the file {_FOLDER_FILES[kind]}, because the type is "
            f"{kind}, got {path}"
        )


def _path_fields(
    where: str, name: str, value: Mapping[str, Any], modes: tuple[str, ...], *required: str
) -> Iterator[str]:
    if fault := input_name_fault(name):
        yield f"{where}: a name {fault}"
    known = {"type", "mode", "path", *(() if required else ("name",))}
    for key in value:
        if key not in known:
            yield f"{where}.{key}: no such key; the keys are {', '.join(sorted(known))}"
    for key in required:
        if not value.get(key):
            yield f"{where}.{key}: must be given"
    if value.get("type", _PATH_TYPES[0]) not in _PATH_TYPES:
        yield f"{where}.type: must be one of {', '.join(_PATH_TYPES)}, got {value['type']}"
    if value.get("mode", modes[0]) not in modes:
        yield f"{where}.mode: must be one of {', '.join(modes)}, got {value['mode']}"


def _command(config: Experiment) -> Iterator[str]:
    """Yield one line for each misspelt or undefined reference in the job's command."""
    job = config.job
    if job.command is None:
        return
    for part in unreadable(job.command):
        yield (
            f"job.command: {part} is not a valid reference; write {{{{inputs.x}}}}, "
            "{{outputs.x}} or {{search_space.x}}, and an optional part as $[[--x {{inputs.x}}]]"
        )
    # stage=all also runs the command as a single job, which has no drawn values. The command must
    # therefore not require drawn values with stage=all.
    drawn = swept_names(config) if config.stage is Stage.sweep else set()
    known = {"inputs": {*job.inputs, *drawn}, "outputs": {*job.outputs}, "search_space": drawn}
    if config.stage is Stage.sweep and not drawn:
        # `sweep_faults` reports the empty search space. Do not also report each reference to a key.
        del known["search_space"]
    for (kind, name), required in sorted(references(job.command).items()):
        if required and name not in known.get(kind, {name}):
            listed = ", ".join(sorted(known[kind])) or "no names"
            yield f"job.command: {{{{{kind}.{name}}}}} is not defined; {kind} has {listed}"


def registration_faults(config: ExperimentConfig) -> Iterator[str]:
    """Yield faults of the name, the type and the path of the model asset."""
    asset = config.registration
    if fault := asset_name_fault(asset.name):
        yield f"registration.name: {fault}"
    if asset.type not in tuple(ModelType):
        yield f"registration.type: must be one of {', '.join(ModelType)}, got {asset.type}"
    if asset.path is not None and _leads_out(asset.path):
        yield f"registration.path: must be relative to the job's files, got {asset.path}"


def _leads_out(path: str) -> bool:
    """Return whether a path is absolute or contains `..`, and so may leave its base folder."""
    return Path(path).is_absolute() or ".." in Path(path).parts
